//! Bad input: every caller gets a clear error, and AWS gets no request.

mod messages;
mod metadata;
mod protocol;
mod reflection;

use std::fmt::Debug;

use http::StatusCode;
use prost::Message;
use tonic::Code;

use crate::harness::{Answer, Headers, World, grpc_frame, raw_call, request};

/// Sends bytes that no gRPC library sends, and returns the error.
async fn failed_call(world: &World, path: &str, headers: Headers<'_>, body: Vec<u8>) -> Answer<()> {
    let response = raw_call(world.gateway.address, path, headers, body).await.unwrap();
    assert_eq!(response.status, StatusCode::OK, "a gRPC error has the HTTP status 200");
    Answer::from_headers(response.headers)
}

/// The frame of a valid request.
fn valid() -> Vec<u8> {
    grpc_frame(0, &request("job-1").encode_to_vec())
}

/// Asserts that the gateway rejected the request and sent nothing.
pub fn assert_invalid<R: Debug>(answer: &Answer<R>, what: &str) {
    let seen = (answer.code(), answer.reason());
    assert_eq!(seen, (Code::InvalidArgument, "INVALID_REQUEST".to_owned()), "{what}");
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 0), "{what}");
    let details = answer.details();
    let request_id = details.request_info().map(|info| info.request_id.as_str());
    assert_eq!(request_id, answer.header("x-request-id"));
}
