//! The faults that are answers, and the checks that keep JSON from asking for one that HTTP can't express.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// An AWS error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorFault {
    /// The AWS error code, such as `ThrottlingException`.
    pub code: String,
    /// 400 unless told otherwise.
    #[serde(default = "bad_request", deserialize_with = "status")]
    pub http_status: u16,
    /// AWS's text; without it the body has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the code stands.
    #[serde(default)]
    pub shape: Shape,
    /// How the member with the text is spelt.
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

/// Where an AWS error carries its code. All of these occur in AWS's answers.
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

/// How AWS spells the member with an error's text: the services differ.
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

/// A raw answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFault {
    /// 200 unless told otherwise. A 1xx is sent as it is, and then the connection is closed.
    #[serde(default = "ok", deserialize_with = "status")]
    pub http_status: u16,
    /// Headers to add to `x-amzn-RequestId`, `Date` and `Content-Length`, which the simulator sets; one of
    /// the first two given here takes its place.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
    /// The body, sent as it is.
    #[serde(default)]
    pub body: String,
}

impl Default for AnswerFault {
    fn default() -> Self {
        Self { http_status: ok(), headers: BTreeMap::new(), body: String::new() }
    }
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
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(D::Error::custom(format_args!("{name:?} is not a header that HTTP allows")));
        }
    }
    Ok(headers)
}
