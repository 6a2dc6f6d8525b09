//! AWS CodePipeline: the port that the service calls, and the adapter that speaks to AWS through its SDK.
//!
//! Nothing outside this folder imports an AWS crate. A call's way through it: `attempt` makes one attempt, observed
//! by `transmit_probe`; `outcome` decides what is known about it, `error_response` reads AWS's error response, and
//! `classify` maps it to a reason; `retry` decides whether there is another attempt. `config` loads the SDK's standard
//! configuration, and `credentials` keeps the gateway's credentials fresh.

mod attempt;
mod classify;
mod config;
mod credentials;
mod error_response;
mod outcome;
mod redact;
mod retry;
mod transmit_probe;
mod user_agent;

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

pub use attempt::{AwsCodePipeline, Limits};
pub use config::{Aws, AwsError, ENDPOINT_SWITCHES, FakeKeys, Source};
pub use credentials::{CredentialCache, CredentialStatus, keep_fresh};

use crate::call::Progress;
use crate::error::Failure;
use crate::job::{AcknowledgeJob, Acknowledgement};

/// What an answer of AWS with a status other than 2xx means. Never panics, whatever the answer is.
pub fn meaning_of_error<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Failure {
    classify::error_answer(&error_response::read(status, header, body))
}

/// CodePipeline's third-party operations, as far as the gateway offers them.
pub trait CodePipeline: Send + Sync + 'static {
    /// Acknowledges a job. Notes every attempt in `progress`, so that whoever drops the future knows what happened.
    ///
    /// Begins nothing that can't be done by the deadline, but doesn't watch it: the caller does.
    ///
    /// # Errors
    /// Why it failed and what is known of it.
    fn acknowledge(
        &self,
        job: &AcknowledgeJob,
        deadline: Instant,
        progress: &Progress,
    ) -> impl Future<Output = Result<Acknowledgement, Failure>> + Send;
}

impl<C: CodePipeline> CodePipeline for Arc<C> {
    fn acknowledge(
        &self,
        job: &AcknowledgeJob,
        deadline: Instant,
        progress: &Progress,
    ) -> impl Future<Output = Result<Acknowledgement, Failure>> + Send {
        self.as_ref().acknowledge(job, deadline, progress)
    }
}
