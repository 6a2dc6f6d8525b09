//! The SDK's client as the port: one attempt, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::operation::RequestId;
use aws_sdk_codepipeline::operation::acknowledge_third_party_job::AcknowledgeThirdPartyJobOutput;
use tokio::time::{Instant, timeout};

use super::config::Aws;
use super::outcome::failure_of;
use super::redact::redact;
use super::retry::{AttemptFailed, attempts};
use super::transmit_probe::TransmitProbe;
use super::{CodePipeline, classify, credentials, error_response};
use crate::call::Progress;
use crate::error::{AwsResponse, Failure, Outcome, Reason};
use crate::job::{AcknowledgeJob, Acknowledgement};
use crate::telemetry::{AttemptResult, AttemptSpan, AwsEndpoint, Metrics, Traces};

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
    credentials: Arc<credentials::CredentialCache>,
    limits: Limits,
    endpoint: AwsEndpoint,
    metrics: Arc<Metrics>,
    traces: Traces,
}

impl AwsCodePipeline {
    /// A client that signs with whatever credentials are held at the time. Makes no call.
    #[must_use]
    pub fn new(
        aws: &Aws,
        credentials: Arc<credentials::CredentialCache>,
        limits: Limits,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Self {
        let client = aws.client(credentials.clone(), limits.connect_timeout);
        let endpoint = AwsEndpoint::new(aws.region(), aws.endpoint());
        Self { client, credentials, limits, endpoint, metrics, traces }
    }

    async fn attempt(
        &self,
        job: &AcknowledgeJob,
        progress: &Progress,
    ) -> Result<Acknowledgement, AttemptFailed> {
        let Some(credentials) = self.credentials.current() else {
            return Err(Failure::not_sent(Reason::GatewayCredentialsUnavailable).into());
        };
        let probe = TransmitProbe::default();
        let sent = probe.clone();
        progress.attempt_begins(move || sent.may_be_sent());
        let record = AttemptRecord::begin(&self.metrics, self.traces.attempt(progress, &self.endpoint));
        let operation = self
            .client
            .acknowledge_third_party_job()
            .job_id(job.job_id.as_str())
            .nonce(job.nonce.expose())
            .client_token(job.client_token.expose());
        // In a box: it is some kilobytes, and each future around it would move and hold them.
        let attempt = Box::pin(probe.over(operation.send()));
        let mut failed = match timeout(self.limits.attempt_timeout, attempt).await {
            Ok(Ok(output)) => {
                let accepted = accepted(&output);
                record.accepted(&accepted, probe.http_status());
                return Ok(accepted);
            }
            Ok(Err(error)) => failure_of(&error, &probe),
            Err(_elapsed) if probe.may_be_sent() => Failure::new(Reason::AwsTimeout, Outcome::Unknown).into(),
            Err(_elapsed) => Failure::not_sent(Reason::AwsUnreachable).into(),
        };
        record.failed(&failed.failure);
        // The SDK signed with what was held a moment after `credentials`: a renewal may have come between.
        let signed_with = self.credentials.current();
        let text = failed.failure.log_text.take();
        failed.failure.log_text = text.map(|text| {
            let all = [&credentials].into_iter().chain(&signed_with).flat_map(|held| secrets(job, held));
            redact(&text, &all.collect::<Vec<_>>())
        });
        self.credentials.on_rejected(failed.failure.reason);
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

/// The record of an attempt: its metrics and its span, when it ends or when it is dropped because its call ended first.
struct AttemptRecord<'a> {
    metrics: &'a Metrics,
    span: Option<AttemptSpan>,
    begun: Instant,
    end: (AttemptResult, &'static str),
}

impl<'a> AttemptRecord<'a> {
    fn begin(metrics: &'a Metrics, span: Option<AttemptSpan>) -> Self {
        Self { metrics, span, begun: Instant::now(), end: (AttemptResult::Abandoned, "") }
    }

    fn accepted(mut self, acknowledgement: &Acknowledgement, http_status: Option<u16>) {
        self.end = (AttemptResult::Accepted, "");
        if let Some(span) = self.span.take() {
            let request_id = acknowledgement.aws_request_id.clone();
            span.accepted(&AwsResponse { request_id, http_status, error_code: None });
        }
    }

    fn failed(mut self, failure: &Failure) {
        let code = failure.aws.error_code.as_deref().map_or("", classify::label);
        self.end = (AttemptResult::Failed(failure.outcome), code);
        if let Some(span) = self.span.take() {
            span.failed(failure, code);
        }
    }
}

impl Drop for AttemptRecord<'_> {
    fn drop(&mut self) {
        self.metrics.attempt_ended(self.end.0, self.end.1, self.begun.elapsed());
        if let Some(span) = self.span.take() {
            span.abandoned();
        }
    }
}

fn accepted(output: &AcknowledgeThirdPartyJobOutput) -> Acknowledgement {
    Acknowledgement {
        aws_status: output.status().map(|status| status.as_str().to_owned()),
        aws_request_id: output.request_id().and_then(error_response::plain_id),
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
