//! A response of CodePipeline or of a fault, and its bytes.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::error::AwsError;
use crate::clock::Clock;
use crate::faults::{AnswerFault, ErrorFault, MessageKey, Shape, has_framing};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-amz-retry-after");

/// The content type of the protocol.
pub(super) const AWS_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

impl From<AwsError> for AwsResponse {
    fn from(error: AwsError) -> Self {
        Self::from(&ErrorFault { message: Some(error.message), ..ErrorFault::new(error.code) })
    }
}

/// A status, headers, a body, and the code if it is an AWS error.
#[derive(Debug, Clone)]
pub(crate) struct AwsResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) error_code: Option<String>,
}

impl AwsResponse {
    /// HTTP 200 with a body that is sent as it is.
    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, AWS_JSON, body)
    }

    /// HTTP 200 without a body, as AWS responds to a call that has no output.
    pub(crate) fn empty() -> Self {
        Self::ok(Bytes::new())
    }

    pub(crate) fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        Self { status, headers, body: body.into(), error_code: None }
    }

    /// Adds the headers that every response has. A request id or date that a fault has set stays.
    pub(crate) fn into_response(mut self, request_id: &str, clock: &Clock) -> Response<Bytes> {
        let common = [(REQUEST_ID, Some(request_id.to_owned())), (DATE, clock.date_header())];
        for (name, value) in common {
            if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
                self.headers.entry(name).or_insert(value);
            }
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// The bytes of the response with only the first `kept` bytes of its body. `Content-Length`
    /// still announces the whole body.
    pub(crate) fn cut(self, kept: usize, request_id: &str, clock: &Clock) -> Vec<u8> {
        let announced = self.body.len();
        let mut response = self.into_response(request_id, clock);
        response.headers_mut().insert(CONTENT_LENGTH, announced.into());
        let mut bytes = head(&response);
        bytes.extend_from_slice(&response.body()[..kept.min(announced)]);
        bytes
    }

    /// The bytes of the head alone. hyper doesn't send an informational response as the final one.
    pub(crate) fn head_only(self, request_id: &str, clock: &Clock) -> Vec<u8> {
        head(&self.into_response(request_id, clock))
    }
}

fn head(response: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

impl From<&ErrorFault> for AwsResponse {
    fn from(error: &ErrorFault) -> Self {
        let code = &error.code;
        let mut body = Map::new();
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, AWS_JSON)]);
        match error.shape {
            Shape::Type => _ = body.insert("__type".to_owned(), json!(code)),
            Shape::TypeNamespace => {
                body.insert("__type".to_owned(), json!(format!("com.amazonaws.codepipeline#{code}")));
            }
            Shape::TypeUri => {
                let uri = "http://internal.amazon.com/coral/com.amazon.coral.validate/";
                body.insert("__type".to_owned(), json!(format!("{code}:{uri}")));
            }
            Shape::Code => _ = body.insert("code".to_owned(), json!(code)),
            Shape::Header => match HeaderValue::try_from(code) {
                Ok(value) => _ = headers.insert(ERROR_TYPE, value),
                Err(_) => {
                    return misconfigured("the fault's code contains characters that a header can't have");
                }
            },
        }
        if let Some(message) = &error.message {
            let key = match error.message_key {
                MessageKey::Lower => "message",
                MessageKey::Upper => "Message",
            };
            body.insert(key.to_owned(), json!(message));
        }
        headers.extend(error.retry_after_ms.map(|ms| (RETRY_AFTER_MS, ms.into())));
        headers.extend(error.retry_after_s.map(|s| (RETRY_AFTER, s.into())));
        let Ok(status) = StatusCode::from_u16(error.http_status) else {
            return misconfigured("the fault's http_status isn't an HTTP status");
        };
        let body = Value::Object(body).to_string().into();
        Self { status, headers, body, error_code: Some(code.clone()) }
    }
}

impl From<AnswerFault> for AwsResponse {
    fn from(fault: AnswerFault) -> Self {
        let Ok(status) = StatusCode::from_u16(fault.http_status) else {
            return misconfigured("the fault's http_status isn't an HTTP status");
        };
        let Ok(headers) = HeaderMap::try_from(&fault.headers.into_iter().collect::<HashMap<_, _>>()) else {
            return misconfigured("the fault has a header that HTTP doesn't allow");
        };
        if has_framing(&headers) {
            return misconfigured("the fault has a header that only the simulator sets");
        }
        Self { status, headers, body: fault.body.into(), error_code: None }
    }
}

/// The response to a fault that was built in Rust and that HTTP can't express. JSON is checked when
/// it is read.
fn misconfigured(why: &'static str) -> AwsResponse {
    AwsError::new("SimulatorMisconfigured", why).into()
}
