//! The caller's place in a trace, as its headers tell it (W3C Trace Context).
//!
//! The SDK's own propagator reads ids of any length, with a sign before them or a dash behind (`from_str_radix`); a caller
//! whose context is malformed gets a trace of its own, as the standard asks.

use std::str;

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The longest `tracestate` that is kept, in bytes: what the standard asks everybody to pass on. It stands in each span.
const MAX_STATE: usize = 512;

/// The caller's span, if the headers name a valid one.
pub(crate) fn remote_parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut given = headers.get_all("traceparent").iter();
    // Of two nobody can tell which is right.
    let (Some(parent), None) = (given.next(), given.next()) else { return None };
    let (trace_id, span_id, flags) = parse(str::from_utf8(parent.as_bytes()).ok()?)?;
    let caller = SpanContext::new(trace_id, span_id, flags, true, state(headers));
    // Ids of nothing but zeros are none.
    caller.is_valid().then_some(caller)
}

/// `version-trace id-span id-flags`: 2, 32, 16 and 2 lowercase hex digits. A version after 00 may have more behind.
fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut fields = text.splitn(5, '-');
    let mut hex = |digits: usize| {
        let field = fields.next()?;
        let is_hex = field.len() == digits && field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(field)
    };
    let (version, trace_id, span_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    Some((TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?, flags))
}

/// What other systems along the trace have noted. A malformed or overlong one is left out; the trace goes on without it.
fn state(headers: &HeaderMap) -> TraceState {
    let lines: Option<Vec<&str>> =
        headers.get_all("tracestate").iter().map(|line| line.to_str().ok()).collect();
    let whole = lines.unwrap_or_default().join(",");
    if whole.len() > MAX_STATE { TraceState::NONE } else { whole.parse().unwrap_or_default() }
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
    fn a_callers_span_is_read() {
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
    fn what_is_malformed_is_no_span() {
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
    fn its_state_is_kept_where_it_is_sound() {
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

    proptest! {
        #[test]
        fn nothing_panics_and_only_the_one_form_is_a_span(value in "[ -~]{0,70}|[0-9a-f+-]{50,60}|00-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}") {
            let field = |at: std::ops::Range<usize>| value.get(at).unwrap_or_default();
            let lower_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
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
