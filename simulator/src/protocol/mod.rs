//! The wire protocol, awsJson1.1: requests, the members of their bodies, responses, and AWS errors.

mod error;
mod input;
mod request;
mod response;

pub(crate) use self::error::AwsError;
pub(crate) use self::input::{Input, Text};
pub(crate) use self::request::{HttpRequest, read_body};
pub(crate) use self::response::AwsResponse;
