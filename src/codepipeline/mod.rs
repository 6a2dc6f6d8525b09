//! AWS CodePipeline: the port that the service calls, and the adapter that speaks to AWS through its SDK.
//!
//! Nothing outside this folder imports an AWS crate. A call's way through it: `adapter` makes one attempt, watched
//! by `wire` and named by `agent`; `failed` says what became of it, `answer` reads what AWS answered and `classify` says
//! what that means; `retry` decides whether there is another. `sdk` sets the SDK up from its standard configuration,
//! `credentials` keeps the gateway's credentials fresh.

mod adapter;
mod agent;
mod answer;
mod classify;
mod credentials;
mod failed;
mod mask;
mod retry;
mod sdk;
mod wire;

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

pub use adapter::{AwsCodePipeline, Limits};
pub use credentials::{CredentialStatus, Held, keep_fresh};
pub use sdk::{Aws, AwsError, ENDPOINT_SWITCHES, FakeKeys, Source};

use crate::call::Progress;
use crate::error::Failure;
use crate::job::{AcknowledgeJob, Acknowledgement};

/// What an answer of AWS with a status other than 2xx means. Never panics, whatever the answer is.
pub fn meaning_of_error<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Failure {
    classify::error_answer(&answer::read(status, header, body))
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
