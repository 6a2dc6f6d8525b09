//! AWS CodePipeline: the port that the service calls, and its implementation with the AWS SDK.
//!
//! Nothing outside this folder and `artifacts` imports an AWS crate. A call's way through it:
//! `retry` makes attempts, one or more; `attempt` makes one, observed by `transmit_probe`, with the
//! operation's own file (`acknowledge`) for the SDK's input and output and `client` for the
//! transport. `outcome` decides what is known about a failed attempt, `error_response` reads AWS's
//! error, and `classify` maps it to a reason. `config` loads the SDK's standard configuration, and
//! `credentials` keeps the gateway's credentials fresh. `advice` explains why there are none.

mod acknowledge;
mod advice;
mod attempt;
mod aws_operation;
mod classify;
mod client;
mod config;
mod credentials;
mod details;
mod error_response;
mod failure;
mod http;
mod outcome;
mod poll;
mod redact;
mod request_setup;
mod retry;
mod success;
mod transmit_probe;

use std::future::Future;

pub use attempt::{AwsCodePipeline, Limits};
pub use aws_operation::{AwsOperation, Fields};
pub use classify::error_codes;
pub use config::{Aws, AwsError, ENDPOINT_SWITCHES, FakeKeys, Source};
pub use credentials::{CredentialCache, CredentialStatus, describe_credentials, keep_fresh};
pub(crate) use redact::redact;

use crate::call::Call;
use crate::error::{AwsResponse, Failure};

/// CodePipeline's third-party operations, as far as the gateway offers them.
pub trait CodePipeline: Send + Sync + 'static {
    /// Makes a call at AWS. Records every attempt in the call's progress, so that a cancellation
    /// loses no outcome.
    ///
    /// It starts nothing that can't end before the call's deadline, but it doesn't watch the
    /// deadline: its caller does.
    ///
    /// # Errors
    /// Why the call failed, and what is known about it.
    fn call<O: AwsOperation>(
        &self,
        operation: &O,
        call: &Call,
    ) -> impl Future<Output = Result<(O::Output, AwsResponse), Failure>> + Send;
}

/// What a response of AWS with a status other than 2xx means for this operation. Never panics,
/// whatever the response is.
pub fn meaning_of_error<'a, O: AwsOperation>(
    status: u16,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
) -> Failure {
    classify::to_failure(&error_response::read(status, header, body), O::FIELDS)
}

/// What a 2xx response of AWS with this body contains; none if the gateway can't read it. Never
/// panics, whatever the body is.
#[must_use]
pub fn output_of_response<O: AwsOperation>(body: &[u8]) -> Option<O::Output> {
    client::read_output::<O>(body)
}
