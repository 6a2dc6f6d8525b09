//! The SDK's client as the port: one attempt, and what became of it.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::error::SdkError;
use aws_sdk_codepipeline::operation::RequestId;
use aws_sdk_codepipeline::operation::acknowledge_third_party_job::{
    AcknowledgeThirdPartyJobError as OperationError, AcknowledgeThirdPartyJobOutput,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::{LengthLimitError, Limited};
use tokio::time::{Instant, timeout};

use super::mask::{causes, chain, mask};
use super::retry::{AttemptFailed, attempts};
use super::sdk::Aws;
use super::{CodePipeline, answer, classify, credentials};
use crate::call::Progress;
use crate::error::{AwsAnswer, Failure, Outcome, Reason};
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

/// The longest answer that is read, in bytes. AWS's are a few hundred; the SDK itself would read without end.
const MAX_ANSWER: usize = 64 * 1024;

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

fn failed(error: &SdkError<OperationError, HttpResponse>, wire: &Wire) -> AttemptFailed {
    match error.raw_response() {
        Some(response) if response.status().is_success() => accepted_but_unreadable(error, response).into(),
        Some(response) => refused(error, response),
        None => unanswered(error, wire).into(),
    }
}

/// What is wrong with an answer's body.
#[derive(PartialEq)]
enum Body {
    Whole,
    TooLong,
    BrokenOff,
}

impl Body {
    fn of(error: &(dyn Error + 'static), response: &HttpResponse) -> Self {
        // The SDK puts the body back only once it has read all of it.
        match response.body().bytes() {
            Some(_) => Self::Whole,
            None if causes(error).any(<dyn Error>::is::<LengthLimitError>) => Self::TooLong,
            None => Self::BrokenOff,
        }
    }
}

/// A 2xx whose body broke off, or isn't what it should be.
fn accepted_but_unreadable(error: &(dyn Error + 'static), response: &HttpResponse) -> Failure {
    let broken_off = Body::of(error, response) == Body::BrokenOff;
    let reason = if broken_off { Reason::AwsConnectionLost } else { Reason::AwsBadResponse };
    let header = |name: &str| response.headers().get(name);
    let aws = AwsAnswer {
        request_id: answer::request_id(&header),
        http_status: Some(response.status().as_u16()),
        error_code: None,
    };
    Failure { aws, ..Failure::new(reason, Outcome::Unknown) }
}

fn refused(error: &(dyn Error + 'static), response: &HttpResponse) -> AttemptFailed {
    let body = response.body().bytes().unwrap_or_default();
    let answer = answer::read(response.status().as_u16(), |name| response.headers().get(name), body);
    let mut failure = classify::error_answer(&answer);
    // The code that was cut off may have been one that leaves the outcome open, such as RequestTimeoutException.
    if failure.reason == Reason::AwsBadResponse && Body::of(error, response) == Body::BrokenOff {
        (failure.reason, failure.outcome) = (Reason::AwsConnectionLost, Outcome::Unknown);
    }
    // After these words a signature error repeats the whole signed request, session token included.
    let message =
        answer.message.as_deref().map(|text| text.split("The Canonical String").next().unwrap_or(text));
    let failure = Failure { log_text: message.map(str::to_owned), ..failure };
    AttemptFailed { failure, knows_aws_time: answer.has_date }
}

/// No answer. Whether the request may have reached AWS can't be read off the SDK's own kinds of error (a broken
/// connection and a refused one are both "io"), but off the wire, and off what hyper says of a request.
fn unanswered(error: &SdkError<OperationError, HttpResponse>, wire: &Wire) -> Failure {
    let error: &(dyn Error + 'static) = error;
    let failure = if causes(error).any(<dyn Error>::is::<CredentialsError>) {
        Failure::not_sent(Reason::GatewayCredentialsUnavailable)
    } else if !wire.reached_transmit() {
        Failure::not_sent(Reason::GatewayBug)
    } else if wire.may_be_sent() && !causes(error).any(says_unsent) {
        Failure::new(Reason::AwsConnectionLost, Outcome::Unknown)
    } else {
        Failure::not_sent(Reason::AwsUnreachable)
    };
    Failure { log_text: Some(chain(error)), ..failure }
}

fn says_unsent(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
        || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// Watches how far an attempt's request got.
///
/// Empty until the request is ready to go. Then it holds the SDK's capture of the connection that the request is
/// given: while that has none, not one byte of the request can have left.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<OnceLock<Option<CaptureSmithyConnection>>>);

impl Wire {
    fn reached_transmit(&self) -> bool {
        self.0.get().is_some()
    }

    fn may_be_sent(&self) -> bool {
        match self.0.get() {
            None => false,
            // Without a capture nobody can tell.
            Some(None) => true,
            Some(Some(capture)) => capture.get().is_some(),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "Wire"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK's own interceptor put it there, and on the request, in the step before (`modify_before_transmit`).
        let _ = self.0.set(config.load::<CaptureSmithyConnection>().cloned());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MAX_ANSWER));
        Ok(())
    }
}
