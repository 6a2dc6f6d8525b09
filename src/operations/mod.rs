//! The operations that the gateway offers: one file parses an operation's request and builds its
//! response.
//!
//! The AWS side of an operation, its SDK input and output, is in the file of the same name in
//! `codepipeline`.

mod acknowledge;
mod action_type;
mod artifact;
mod details;
mod failure;
mod fields;
mod policy;
mod poll;
mod set;
mod success;

pub use acknowledge::{Acknowledge, Acknowledged};
pub use action_type::{ActionType, ActionTypes, Pattern};
pub use artifact::{Artifact, ArtifactRequest, SessionCredentials};
pub use details::{Details, JobDetails, PipelineContext};
pub use failure::{Failure, FailureKind};
pub use fields::{JobId, SecretText};
pub use policy::{ArtifactCredentials, Policy};
pub(crate) use poll::MAX_BATCH_SIZE;
pub use poll::{Poll, PolledJob};
pub use set::OperationSet;
pub use success::{CurrentRevision, ExecutionDetails, Success};

use crate::call::Subject;
use crate::error::Failure as CallFailure;
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

    /// Records what a request is about before it is parsed, so that the log of an invalid request
    /// has it too.
    fn describe(request: &Self::Request, subject: &Subject);

    /// Parses a request.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every violation, in the order and spelling of the proto file's
    /// fields.
    fn parse(request: Self::Request) -> Result<Self, CallFailure>;

    /// Checks the request against the operator's policy.
    ///
    /// # Errors
    /// The policy doesn't allow the request.
    fn check(&self, _: &Policy) -> Result<(), CallFailure> {
        Ok(())
    }

    /// Records what AWS's response is about.
    fn describe_output(_: &Self::Output, _: &Subject) {}

    /// Applies the operator's policy to AWS's response.
    ///
    /// # Errors
    /// The policy doesn't allow the response, so the gateway withholds it.
    fn restrict(_: &mut Self::Output, _: &Policy) -> Result<(), CallFailure> {
        Ok(())
    }

    /// The response for what AWS returned.
    fn respond(output: Self::Output) -> Self::Response;
}

#[cfg(test)]
mod tests {
    use super::Operation;

    /// The fields of the request that break a rule; none for a valid request.
    pub(super) fn violated<O: Operation>(request: O::Request) -> Vec<&'static str> {
        let failure = O::parse(request).err();
        failure.map(|f| f.violations.iter().map(|v| v.field).collect()).unwrap_or_default()
    }
}
