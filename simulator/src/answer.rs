//! An answer of CodePipeline's, or of a fault, on its way to bytes.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::faults::{AnswerFault, ErrorFault, MessageKey, Shape};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-amz-retry-after");

/// The content type of the protocol.
pub(crate) const AWS_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// An error of CodePipeline's own: AWS's JSON services answer 400 for whatever the caller did, authentication
/// included.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::from(&ErrorFault { message: Some(refusal.message), ..ErrorFault::new(refusal.code) })
    }
}

/// A status, headers and a body, and the code if it is an AWS error.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) error_code: Option<String>,
}

impl Answer {
    /// 200 with JSON.
    pub(crate) fn ok(body: &Value) -> Self {
        Self::raw(StatusCode::OK, AWS_JSON, body.to_string())
    }

    /// Anything.
    pub(crate) fn raw(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        Self { status, headers, body: body.into(), error_code: None }
    }

    /// Complete with the headers that every answer has. A fault that brings its own request id or date keeps
    /// it.
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

    /// The bytes of the whole answer but for all after the first `kept` bytes of its body, which it still
    /// promises.
    pub(crate) fn cut(self, kept: usize, request_id: &str, clock: &Clock) -> Vec<u8> {
        let promised = self.body.len();
        let mut response = self.into_response(request_id, clock);
        response.headers_mut().insert(CONTENT_LENGTH, promised.into());
        let mut bytes = head(&response);
        bytes.extend_from_slice(&response.body()[..kept.min(promised)]);
        bytes
    }

    /// The bytes of the head alone. hyper refuses to send an informational answer as the final one.
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

impl From<&ErrorFault> for Answer {
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
                Err(_) => return misconfigured("the fault's code cannot stand in a header"),
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
            return misconfigured("the fault's http_status is no HTTP status");
        };
        let body = Value::Object(body).to_string().into();
        Self { status, headers, body, error_code: Some(code.clone()) }
    }
}

impl From<AnswerFault> for Answer {
    fn from(fault: AnswerFault) -> Self {
        let Ok(status) = StatusCode::from_u16(fault.http_status) else {
            return misconfigured("the fault's http_status is no HTTP status");
        };
        let Ok(headers) = HeaderMap::try_from(&fault.headers.into_iter().collect::<HashMap<_, _>>()) else {
            return misconfigured("the fault has a header that HTTP does not allow");
        };
        Self { status, headers, body: fault.body.into(), error_code: None }
    }
}

/// A fault built in Rust that no HTTP answer can express; JSON is checked when it is read.
fn misconfigured(why: &'static str) -> Answer {
    Refusal::new("SimulatorMisconfigured", why).into()
}
