//! S3's errors and their XML.

use std::fmt::Write as _;

use http::StatusCode;

/// An error with S3's code and message, and the elements that S3 adds for this error.
#[derive(Debug)]
pub(super) struct S3Error {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    elements: Vec<(&'static str, String)>,
}

impl S3Error {
    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::forbidden("AccessDenied", message)
    }

    pub(super) fn not_implemented(element: &'static str, value: impl Into<String>) -> Self {
        let text = "A header you provided implies functionality that is not implemented";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text).with(element, value)
    }

    /// A header or a query parameter with an invalid value.
    pub(super) fn invalid_argument(message: &str, name: &str, value: &str) -> Self {
        Self::bad_request("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), elements: Vec::new() }
    }

    /// The same error with an additional element.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.elements.push((name, value.into()));
        self
    }

    /// The body of the response.
    pub(super) fn xml(&self, request_id: &str, host_id: &str) -> String {
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
        let common = [("Code", self.code), ("Message", &self.message)];
        let elements = self.elements.iter().map(|(name, value)| (*name, value.as_str()));
        let ids = [("RequestId", request_id), ("HostId", host_id)];
        for (name, value) in common.into_iter().chain(elements).chain(ids) {
            // Writing to a `String` can't fail.
            let _ = write!(xml, "<{name}>{}</{name}>", escape(value));
        }
        xml + "</Error>"
    }
}

/// Text as the content of an element. A key can contain control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            control if control.is_control() => _ = write!(escaped, "&#x{:x};", u32::from(control)),
            other => escaped.push(other),
        }
    }
    escaped
}
