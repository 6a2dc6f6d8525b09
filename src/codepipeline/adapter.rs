//! The SDK's client as the port: one attempt, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::operation::RequestId;
use aws_sdk_codepipeline::operation::acknowledge_third_party_job::AcknowledgeThirdPartyJobOutput;
use tokio::time::{Instant, timeout};

use super::failed::failed;
use super::mask::mask;
use super::retry::{AttemptFailed, attempts};
use super::sdk::Aws;
use super::wire::Wire;
use super::{CodePipeline, answer, classify, credentials};
use crate::call::Progress;
use crate::error::{Failure, Outcome, Reason};
use crate::job::{AcknowledgeJob, Acknowledgement};
use crate::telemetry::{AttemptResult, Metrics};

/// How long and how often AWS is tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one attempt, connecting included.
    pub attempt_timeout: Duration,
    /// For name lookup, connect and TLS handshake.
    pub connect_timeout: Duration,
    /// How many attempts a call makes at most; at least 1.
    pub max_attempts: u32,
}

/// AWS CodePipeline through the SDK's client.
pub struct AwsCodePipeline {
    client: Client,
    credentials: Arc<credentials::Held>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl AwsCodePipeline {
    /// A client that signs with whatever credentials are held at the time. Makes no call.
    #[must_use]
    pub fn new(
        aws: &Aws,
        credentials: Arc<credentials::Held>,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { client: aws.client(credentials.clone(), limits.connect_timeout), credentials, limits, metrics }
    }

    async fn attempt(
        &self,
        job: &AcknowledgeJob,
        progress: &Progress,
    ) -> Result<Acknowledgement, AttemptFailed> {
        let Some(credentials) = self.credentials.current() else {
            return Err(Failure::not_sent(Reason::GatewayCredentialsUnavailable).into());
        };
        let wire = Wire::default();
        let probe = wire.clone();
        progress.attempt_begins(move || probe.may_be_sent());
        let counted = Counted::begin(&self.metrics);
        let operation = self
            .client
            .acknowledge_third_party_job()
            .job_id(job.job_id.as_str())
            .nonce(job.nonce.expose())
            .client_token(job.client_token.expose())
            .customize()
            .interceptor(wire.clone());
        let mut failed = match timeout(self.limits.attempt_timeout, operation.send()).await {
            Ok(Ok(output)) => {
                counted.ends(AttemptResult::Accepted, None);
                return Ok(accepted(&output));
            }
            Ok(Err(error)) => failed(&error, &wire),
            Err(_elapsed) if wire.may_be_sent() => Failure::new(Reason::AwsTimeout, Outcome::Unknown).into(),
            Err(_elapsed) => Failure::not_sent(Reason::AwsUnreachable).into(),
        };
        counted.ends(AttemptResult::Failed(failed.failure.outcome), failed.failure.aws.error_code.as_deref());
        // The SDK signed with what was held a moment after `credentials`: a renewal may have come between.
        let signed_with = self.credentials.current();
        let text = failed.failure.log_text.take();
        failed.failure.log_text = text.map(|text| {
            let all = [&credentials].into_iter().chain(&signed_with).flat_map(|held| secrets(job, held));
            mask(&text, &all.collect::<Vec<_>>())
        });
        self.credentials.heed(failed.failure.reason);
        Err(failed)
    }
}

impl fmt::Debug for AwsCodePipeline {
    // The SDK's own would show the key id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCodePipeline").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl CodePipeline for AwsCodePipeline {
    async fn acknowledge(
        &self,
        job: &AcknowledgeJob,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Acknowledgement, Failure> {
        attempts(self.limits.max_attempts, deadline, progress, || self.attempt(job, progress)).await
    }
}

/// Counts an attempt when it ends, or when it is dropped because its call ended first.
struct Counted<'a> {
    metrics: &'a Metrics,
    begun: Instant,
    end: (AttemptResult, &'static str),
}

impl<'a> Counted<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        Self { metrics, begun: Instant::now(), end: (AttemptResult::Abandoned, "") }
    }

    fn ends(mut self, result: AttemptResult, error_code: Option<&str>) {
        self.end = (result, error_code.map_or("", classify::label));
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.attempt_ended(self.end.0, self.end.1, self.begun.elapsed());
    }
}

fn accepted(output: &AcknowledgeThirdPartyJobOutput) -> Acknowledgement {
    Acknowledgement {
        aws_status: output.status().map(|status| status.as_str().to_owned()),
        aws_request_id: output.request_id().and_then(answer::plain_id),
    }
}

/// Everything that must not reach the log.
fn secrets<'a>(job: &'a AcknowledgeJob, credentials: &'a Credentials) -> [&'a str; 5] {
    [
        job.nonce.expose(),
        job.client_token.expose(),
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().unwrap_or_default(),
    ]
}
