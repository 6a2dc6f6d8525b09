//! Reads the caller's span from the request headers (W3C Trace Context).

use std::str;

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The longest `tracestate` that is kept, in bytes. The standard asks for at least this length.
/// Each span of the trace has a copy.
const MAX_STATE: usize = 512;

/// The length of a `traceparent` of version 00, in bytes.
const PARENT_LENGTH: usize = 55;

/// The caller's span, if the headers name a valid one.
pub(crate) fn remote_parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut lines = headers.get_all("traceparent").iter();
    // Of two lines, neither is known to be right.
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let parent = str::from_utf8(line.as_bytes()).ok().filter(|parent| is_well_formed(parent))?;
    // Not the thread's current context: a call never inherits a span from it.
    let context = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &TraceHeaders { parent, state: state(headers) });
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

/// Whether the fields have their lengths and lowercase hex digits: `version-trace id-span
/// id-flags`.
///
/// The SDK's propagator also accepts shorter fields, and a sign before a number. The standard asks
/// for a new trace in these cases. A version after 00 can have more fields.
fn is_well_formed(parent: &str) -> bool {
    let Some((fields, rest)) = parent.as_bytes().split_at_checked(PARENT_LENGTH) else { return false };
    let has_form = fields.iter().enumerate().all(|(position, byte)| match position {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    has_form && (rest.is_empty() || (rest[0] == b'-' && !fields.starts_with(b"00")))
}

/// The `tracestate` of other systems in the trace. It is empty if it is unreadable or too long: the
/// trace continues without it.
fn state(headers: &HeaderMap) -> String {
    let lines = headers.get_all("tracestate").iter().map(|line| line.to_str().ok());
    let state = lines.collect::<Option<Vec<&str>>>().map(|lines| lines.join(","));
    state.filter(|state| state.len() <= MAX_STATE).unwrap_or_default()
}

/// The two headers for the propagator.
struct TraceHeaders<'a> {
    parent: &'a str,
    state: String,
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        Some(if key == "traceparent" { self.parent } else { &self.state })
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn parent(value: &str) -> Option<SpanContext> {
        remote_parent(&headers(&[("traceparent", value)]))
    }

    #[test]
    fn the_callers_span_is_read() {
        for (rest, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let caller = parent(&format!("00-{TRACE}-{SPAN}-{rest}")).unwrap();
            assert_eq!(
                (caller.trace_id().to_string(), caller.span_id().to_string()),
                (TRACE.into(), SPAN.into())
            );
            assert_eq!((caller.is_sampled(), caller.is_remote()), (sampled, true), "{rest}");
        }
        assert!(
            parent(&format!("01-{TRACE}-{SPAN}-01-what.comes-later"))
                .is_some_and(|caller| caller.is_sampled())
        );
        assert!(parent(&format!("cc-{TRACE}-{SPAN}-01")).is_some());
    }

    #[test]
    fn a_malformed_parent_is_ignored() {
        let zeros = "0".repeat(32);
        let rows = [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("0000-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00_{TRACE}_{SPAN}_01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ];
        for row in rows {
            assert_eq!(parent(&row), None, "{row:?}");
        }
        let one = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(
            remote_parent(&headers(&[("traceparent", &one), ("traceparent", &one)])),
            None,
            "two of them"
        );
    }

    #[test]
    fn a_malformed_or_long_state_is_dropped() {
        let state = |lines: &[&str]| {
            let one = format!("00-{TRACE}-{SPAN}-01");
            let state = lines.iter().map(|line| ("tracestate", *line));
            let lines: Vec<_> = [("traceparent", one.as_str())].into_iter().chain(state).collect();
            remote_parent(&headers(&lines)).unwrap().trace_state().header()
        };
        assert_eq!(state(&[]), "");
        assert_eq!(state(&["a=1"]), "a=1");
        assert_eq!(state(&["a=1, b@c=2", "d=3"]), "a=1,b@c=2,d=3");
        for bad in ["a", "A=1", &format!("a={}", "1".repeat(MAX_STATE))] {
            assert_eq!(state(&[bad]), "", "{bad}");
        }
    }

    const ANY: &str = "[ -~]{0,70}|[0-9a-f+-]{50,60}|00-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}";

    fn lower_hex(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    proptest! {
        #[test]
        fn only_the_standard_form_is_a_span(value in ANY) {
            let field = |at: std::ops::Range<usize>| value.get(at).unwrap_or_default();
            let not_zero = |text: &str| text.bytes().any(|b| b != b'0');
            let one_of_version_0 = value.len() == 55
                && field(0..3) == "00-" && field(35..36) == "-" && field(52..53) == "-"
                && lower_hex(field(3..35)) && lower_hex(field(36..52)) && lower_hex(field(53..55))
                && not_zero(field(3..35)) && not_zero(field(36..52));
            prop_assume!(field(0..2) == "00" || !lower_hex(field(0..2)));
            prop_assert_eq!(parent(&value).is_some(), one_of_version_0);
        }
    }
}
