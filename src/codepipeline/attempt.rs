//! The port's implementation with the AWS SDK: one attempt, and the record of its result.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_codepipeline::operation::RequestId;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::time::{Instant, timeout};

use super::client::Client;
use super::config::Aws;
use super::credentials::{CachedIdentity, CredentialCache};
use super::outcome::failure_of;
use super::redact::redact;
use super::retry::{AttemptFailed, Policy, attempts};
use super::transmit_probe::TransmitProbe;
use super::{AwsOperation, CodePipeline, classify, error_response};
use crate::artifacts::Presigner;
use crate::call::Call;
use crate::error::{AwsResponse, Failure, Outcome, Reason};
use crate::methods::Method;
use crate::telemetry::{AttemptResult, AttemptSpan, AwsEndpoint, Metrics, Traces};

/// How long and how often a call tries AWS.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum time for one attempt, connecting included.
    pub attempt_timeout: Duration,
    /// The maximum time for name lookup, connect, and TLS handshake.
    pub connect_timeout: Duration,
    /// How long an idle connection to AWS stays open.
    pub idle_timeout: Duration,
    /// The maximum number of attempts per call; at least 1.
    pub max_attempts: u32,
}

/// AWS CodePipeline through the SDK.
pub struct AwsCodePipeline {
    client: Client,
    credentials: Arc<CredentialCache>,
    presigner: Presigner,
    limits: Limits,
    endpoint: AwsEndpoint,
    metrics: Arc<Metrics>,
    traces: Traces,
}

impl AwsCodePipeline {
    /// A client that signs with the cached credentials of the moment. Makes no call.
    #[must_use]
    pub fn new(
        aws: &Aws,
        credentials: Arc<CredentialCache>,
        limits: Limits,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Self {
        let transport = aws.transport(limits.connect_timeout, limits.idle_timeout);
        let client = Client::new(&transport, CachedIdentity(credentials.clone()));
        let endpoint = AwsEndpoint::new(aws.region(), aws.endpoint());
        let presigner = aws.presigner();
        Self { client, credentials, presigner, limits, endpoint, metrics, traces }
    }

    async fn attempt<O: AwsOperation>(
        &self,
        operation: &O,
        call: &Call,
    ) -> Result<(O::Output, AwsResponse), AttemptFailed> {
        let Some(credentials) = self.credentials.current() else {
            return Err(Failure::not_sent(Reason::GatewayCredentialsUnavailable).into());
        };
        let probe = TransmitProbe::new(O::MAX_RESPONSE);
        let sent = probe.clone();
        call.progress().attempt_started(move || sent.may_be_sent());
        let record =
            AttemptRecord::begin(O::METHOD, &self.metrics, self.traces.attempt(call, &self.endpoint));
        // Boxed, because it is several kilobytes, and each future around it would contain them.
        let attempt = Box::pin(probe.observe(self.client.send(operation)));
        let failed = match timeout(self.limits.attempt_timeout, attempt).await {
            Ok(Ok(output)) => {
                let request_id = output.request_id().and_then(error_response::plain_id);
                let aws = AwsResponse { request_id, http_status: probe.http_status(), error_code: None };
                record.accepted(&aws);
                let mut output = O::output(output);
                // AWS's clock decides when a presigned request expires, and the gateway's own can
                // be wrong.
                let now = probe.date().unwrap_or_else(SystemTime::now);
                O::complete(&mut output, &self.presigner, now).await;
                return Ok((output, aws));
            }
            Ok(Err(error)) => failure_of(&error, &probe, O::FIELDS),
            Err(_elapsed) if probe.may_be_sent() => Failure::new(Reason::AwsTimeout, Outcome::Unknown).into(),
            Err(_elapsed) => Failure::not_sent(Reason::AwsUnreachable).into(),
        };
        record.failed(&failed.failure);
        self.credentials.on_rejected(failed.failure.reason);
        Err(self.redacted(failed, operation, &credentials))
    }

    /// The failure without the call's secrets in its text for the log.
    fn redacted<O: AwsOperation>(
        &self,
        mut failed: AttemptFailed,
        operation: &O,
        credentials: &Identity,
    ) -> AttemptFailed {
        let from_aws = failed.failure.aws.http_status.is_some();
        let text = failed.failure.log_text.take().filter(|_| O::LOGS_AWS_MESSAGES || !from_aws);
        failed.failure.log_text = text.map(|text| {
            // The SDK signed a moment after `credentials` were read, and might have used newer
            // ones.
            let newer = self.credentials.current();
            let credentials = [credentials].into_iter().chain(&newer).filter_map(Identity::data);
            let keys = credentials.flat_map(keys);
            redact(&text, &operation.secrets().into_iter().chain(keys).collect::<Vec<_>>())
        });
        failed
    }
}

impl fmt::Debug for AwsCodePipeline {
    // The SDK's own would show the key id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCodePipeline").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl CodePipeline for AwsCodePipeline {
    async fn call<O: AwsOperation>(
        &self,
        operation: &O,
        call: &Call,
    ) -> Result<(O::Output, AwsResponse), Failure> {
        let policy = Policy {
            max_attempts: self.limits.max_attempts,
            deadline: call.deadline()?,
            idempotency: O::METHOD.idempotency,
            retries_throttling: !call.is_background(),
        };
        attempts(policy, call.progress(), || self.attempt(operation, call)).await
    }
}

/// Records an attempt's metrics and span when it ends, or when it is dropped because its call ended
/// first.
struct AttemptRecord<'a> {
    method: &'static Method,
    metrics: &'a Metrics,
    span: Option<AttemptSpan>,
    begun: Instant,
    end: (AttemptResult, &'static str),
}

impl<'a> AttemptRecord<'a> {
    fn begin(method: &'static Method, metrics: &'a Metrics, span: Option<AttemptSpan>) -> Self {
        Self { method, metrics, span, begun: Instant::now(), end: (AttemptResult::Abandoned, "") }
    }

    fn accepted(mut self, aws: &AwsResponse) {
        self.end = (AttemptResult::Accepted, "");
        if let Some(span) = self.span.take() {
            span.accepted(aws);
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
        let (result, aws_error_code) = self.end;
        self.metrics.attempt_ended(self.method, result, aws_error_code, self.begun.elapsed());
        if let Some(span) = self.span.take() {
            span.abandoned();
        }
    }
}

/// The gateway's own secrets, which AWS's error messages can repeat.
fn keys(credentials: &Credentials) -> [&str; 3] {
    [
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().unwrap_or_default(),
    ]
}
