//! The result of a unary call, whatever its operation, as its caller sees it.

use std::collections::HashMap;
use std::fmt::Debug;

use http::HeaderMap;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::AnyResponse;

/// A response or an error, with the metadata of either.
#[derive(Debug)]
pub struct Answer<R> {
    pub metadata: MetadataMap,
    pub result: Result<R, Box<Status>>,
}

impl<R> From<Result<Response<R>, Status>> for Answer<R> {
    fn from(result: Result<Response<R>, Status>) -> Self {
        match result {
            Ok(response) => Self { metadata: response.metadata().clone(), result: Ok(response.into_inner()) },
            Err(status) => Self::from(status),
        }
    }
}

impl<R> From<Status> for Answer<R> {
    fn from(status: Status) -> Self {
        Self { metadata: status.metadata().clone(), result: Err(Box::new(status)) }
    }
}

impl Answer<()> {
    /// The error that these headers and trailers carry.
    pub fn from_headers(headers: HeaderMap) -> Self {
        let status = Status::from_header_map(&headers).expect("a gRPC status");
        Self { metadata: MetadataMap::from_headers(headers), result: Err(Box::new(status)) }
    }
}

impl<R: Debug + Send + 'static> Answer<R> {
    /// The same answer as one of any operation.
    pub fn erase(self) -> Answer<AnyResponse> {
        let result = self.result.map(|response| Box::new(response) as AnyResponse);
        Answer { metadata: self.metadata, result }
    }
}

impl<R: Debug> Answer<R> {
    pub fn ok(&self) -> &R {
        self.result.as_ref().unwrap_or_else(|status| panic!("not OK: {status:?}"))
    }

    pub fn status(&self) -> &Status {
        self.result.as_ref().expect_err("an error")
    }

    pub fn code(&self) -> Code {
        self.result.as_ref().map_or_else(|status| status.code(), |_| Code::Ok)
    }

    pub fn details(&self) -> ErrorDetails {
        self.status().check_error_details().unwrap()
    }

    pub fn reason(&self) -> String {
        self.details()
            .error_info()
            .map_or_else(|| panic!("no ErrorInfo: {self:?}"), |info| info.reason.clone())
    }

    /// The metadata of `ErrorInfo`.
    pub fn info(&self) -> HashMap<String, String> {
        self.details().error_info().unwrap().metadata.clone()
    }

    pub fn outcome(&self) -> String {
        self.info()["outcome"].clone()
    }

    pub fn attempts(&self) -> u32 {
        self.info()["attempts"].parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(|value| value.to_str().unwrap())
    }

    /// The fields of `BadRequest`, in their order.
    pub fn violated_fields(&self) -> Vec<String> {
        let details = self.details();
        let violations = &details.bad_request().expect("BadRequest").field_violations;
        violations.iter().map(|violation| violation.field.clone()).collect()
    }
}

/// `FailedPrecondition` as `FAILED_PRECONDITION`.
pub fn upper_snake(camel: &str) -> String {
    let mut snake = String::new();
    for character in camel.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_uppercase());
    }
    snake
}
