//! The faults that are responses, and the checks that reject JSON that HTTP can't express.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// An AWS error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorFault {
    /// The AWS error code, such as `ThrottlingException`.
    pub code: String,
    /// The HTTP status. The default is 400.
    #[serde(default = "bad_request", deserialize_with = "status")]
    pub http_status: u16,
    /// AWS's message. The body contains none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The position of the code.
    #[serde(default)]
    pub shape: Shape,
    /// The spelling of the member with the message.
    #[serde(default)]
    pub message_key: MessageKey,
    /// The `x-amz-retry-after` header, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The `Retry-After` header, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl ErrorFault {
    /// `{"__type": code}` with HTTP 400 and nothing else.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            http_status: bad_request(),
            message: None,
            shape: Shape::default(),
            message_key: MessageKey::default(),
            retry_after_ms: None,
            retry_after_s: None,
        }
    }
}

/// The position of the code in an AWS error. All of these occur in AWS's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `{"__type": "X"}`
    #[default]
    Type,
    /// `{"__type": "com.amazonaws.codepipeline#X"}`
    TypeNamespace,
    /// `{"__type": "X:http://internal.amazon.com/coral/com.amazon.coral.validate/"}`
    TypeUri,
    /// The `x-amzn-errortype` header, and no code in the body.
    Header,
    /// `{"code": "X"}`
    Code,
}

/// The spelling of the member with an error's message, which differs between AWS services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MessageKey {
    /// `message`
    #[default]
    #[serde(rename = "message")]
    Lower,
    /// `Message`
    #[serde(rename = "Message")]
    Upper,
}

/// A raw response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFault {
    /// The HTTP status. The default is 200. After a 1xx status, the connection is closed.
    #[serde(default = "ok", deserialize_with = "status")]
    pub http_status: u16,
    /// Additional headers. The simulator sets `x-amzn-RequestId`, `Date`, and `Content-Length`. The
    /// first two can be replaced here. `Content-Length` and `Transfer-Encoding` are rejected.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
    /// The body, which is sent unchanged.
    #[serde(default)]
    pub body: String,
}

impl Default for AnswerFault {
    fn default() -> Self {
        Self { http_status: ok(), headers: BTreeMap::new(), body: String::new() }
    }
}

/// The headers that delimit the body. hyper panics if they contradict the body.
const FRAMING: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// Whether one of the headers delimits the body.
pub(crate) fn has_framing(headers: &HeaderMap) -> bool {
    FRAMING.iter().any(|name| headers.contains_key(name))
}

const fn ok() -> u16 {
    200
}

const fn bad_request() -> u16 {
    400
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    StatusCode::from_u16(status)
        .map(|_| status)
        .map_err(|_| D::Error::custom(format_args!("{status} is not an HTTP status (100 to 999)")))
}

pub(super) fn optional_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    status(deserializer).map(Some)
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    for (name, value) in &headers {
        let (Ok(header), Ok(_)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(D::Error::custom(format_args!("{name:?} is not a header that HTTP allows")));
        };
        if FRAMING.contains(&header) {
            return Err(D::Error::custom(format_args!("{name:?} is a header that only the simulator sets")));
        }
    }
    Ok(headers)
}
