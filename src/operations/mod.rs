//! The operations that the gateway offers: one file parses an operation's request and builds its response.
//!
//! The AWS side of an operation, its SDK input and output, is in the file of the same name in `codepipeline`.

mod acknowledge;
mod fields;

pub use acknowledge::{Acknowledge, Acknowledged};
pub use fields::{JobId, SecretText};

use crate::error::Failure;
use crate::methods::Method;

/// An operation as its callers see it. A value of the type is a valid request.
pub trait Operation: Sized + Send + Sync + 'static {
    /// Its row in the table of methods.
    const METHOD: &'static Method;
    /// The generated request type.
    type Request: Send + 'static;
    /// The generated response type.
    type Response: Send + 'static;
    /// What AWS returned.
    type Output: Send + 'static;

    /// The job that the request names, valid or not. The log names it even if the request is invalid.
    fn job_id(request: &Self::Request) -> Option<&str>;

    /// Parses a request.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every violation, in the order and spelling of the proto file's fields.
    fn parse(request: Self::Request) -> Result<Self, Failure>;

    /// The response for what AWS returned.
    fn respond(output: Self::Output) -> Self::Response;
}
