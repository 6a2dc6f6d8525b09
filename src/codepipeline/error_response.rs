//! Reads an error response of AWS. The code has several shapes, which AWS's services and the
//! proxies in front of them use.
//!
//! The SDK reads most of these shapes. But it rejects a whole response if one part is wrong, for
//! example a message that is a number. The code is lost then, and the outcome of a call depends on
//! the code.

use std::time::Duration;

use serde_json::Value;

/// The content of an error response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorResponse {
    /// The HTTP status.
    pub(super) status: u16,
    /// AWS's error code, without its namespace and URL.
    pub(super) code: Option<String>,
    /// AWS's error message. For the log, redacted; never for a caller.
    pub(super) message: Option<String>,
    /// AWS's id of the call.
    pub(super) request_id: Option<String>,
    /// How long AWS asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// Whether the response contains AWS's time.
    pub(super) has_date: bool,
}

/// The longest accepted delay. AWS throttles by the second, so a longer delay is a mistake of the
/// sender.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Reads a response. Never fails: an unreadable part counts as missing.
pub(super) fn read<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> ErrorResponse {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    // The order is that of Smithy's awsJson1_1 protocol: the header first, then `__type`, then
    // `code`.
    let code =
        [header("x-amzn-errortype"), text("__type"), text("code")].into_iter().flatten().find_map(bare_code);
    ErrorResponse {
        status,
        code,
        message: text("message").or_else(|| text("Message")).map(str::to_owned),
        request_id: request_id(&header),
        retry_after: retry_after(&header),
        has_date: header("date").is_some(),
    }
}

/// AWS's id of a call. It goes into headers and logs, so only plain characters are accepted.
pub(super) fn request_id<'a>(header: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    plain_id(header("x-amzn-requestid").or_else(|| header("x-amz-request-id"))?)
}

/// An id, if it is short and plain.
pub(super) fn plain_id(id: &str) -> Option<String> {
    let plain = (1..=128).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b));
    plain.then(|| id.to_owned())
}

/// `com.amazonaws.codepipeline#JobNotFoundException:http://internal.amazon.com/…` →
/// `JobNotFoundException`.
fn bare_code(code: &str) -> Option<String> {
    let code = code.split(':').next()?;
    let code = code.rsplit('#').next()?.trim();
    let plain = (1..=128).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain.then(|| code.to_owned())
}

/// `x-amz-retry-after` in milliseconds (the SDK's own source says so), or HTTP's `Retry-After` in
/// seconds.
fn retry_after<'a>(header: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &str| header(name).and_then(|value| value.trim().parse::<u32>().ok());
    let millis = number("x-amz-retry-after").map(|ms| Duration::from_millis(ms.into()));
    let hint = millis.or_else(|| number("retry-after").map(|s| Duration::from_secs(s.into())))?;
    (!hint.is_zero()).then_some(hint.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_with(headers: &[(&str, &str)], body: &str) -> ErrorResponse {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        read(400, header, body.as_bytes())
    }

    #[test]
    fn every_shape_of_a_code_is_read() {
        let shapes: [(&[(&str, &str)], &str); 8] = [
            (&[], r#"{"__type":"JobNotFoundException"}"#),
            (&[], r#"{"__type":"com.amazonaws.codepipeline#JobNotFoundException"}"#),
            (&[], r#"{"__type":"JobNotFoundException:http://internal.amazon.com/coral/"}"#),
            (&[], r#"{"code":"JobNotFoundException"}"#),
            (&[("x-amzn-errortype", "JobNotFoundException")], ""),
            (&[("x-amzn-errortype", "a.b#JobNotFoundException:http://internal.amazon.com/")], "<html>"),
            (&[("x-amzn-errortype", "JobNotFoundException")], r#"{"__type":"Other"}"#),
            (&[], r#"{"__type":7,"code":"JobNotFoundException","message":{"not":"text"}}"#),
        ];
        for (headers, body) in shapes {
            assert_eq!(
                read_with(headers, body).code.as_deref(),
                Some("JobNotFoundException"),
                "{headers:?} {body}"
            );
        }
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "<html>",
            r#"{"__type":""}"#,
            r##"{"__type":"#"}"##,
            r#"{"__type":"a b"}"#,
        ] {
            assert_eq!(read_with(&[], body).code, None, "{body}");
        }
    }

    #[test]
    fn a_message_is_read_in_both_spellings() {
        assert_eq!(read_with(&[], r#"{"message":"a"}"#).message.as_deref(), Some("a"));
        assert_eq!(read_with(&[], r#"{"Message":"b"}"#).message.as_deref(), Some("b"));
        assert_eq!(read_with(&[], r#"{"message":1}"#).message, None);
    }

    #[test]
    fn a_hint_is_read_in_both_units_and_bounded() {
        let hint = |name, value| read_with(&[(name, value)], "").retry_after;
        assert_eq!(hint("x-amz-retry-after", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(hint("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(hint("retry-after", "4294967295"), Some(MAX_RETRY_AFTER));
        for odd in ["", "0", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999"] {
            assert_eq!(hint("retry-after", odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_what_is_read_is_plain(
            status in any::<u16>(),
            header in "\\PC{0,40}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let answer = read(status, |_| Some(header.as_str()), &body);
            prop_assert!(answer.code.is_none_or(|c| c.is_ascii() && !c.is_empty()));
            prop_assert!(answer.request_id.is_none_or(|id| id.is_ascii() && !id.is_empty()));
        }

        #[test]
        fn json_of_any_form_is_read(
            key in "__type|code|message", value in "\"[A-Za-z#:/.]{0,30}\"|[0-9]{1,5}|null|\\{\\}",
        ) {
            let body = format!("{{\"{key}\":{value}}}");
            prop_assert_eq!(read(400, |_| None, body.as_bytes()).status, 400);
        }
    }
}
