//! Decides what is known about a failed attempt: AWS rejected it, AWS accepted it and its response
//! is unreadable, or no response arrived.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_codepipeline::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use http_body_util::LengthLimitError;

use super::retry::AttemptFailed;
use super::transmit_probe::TransmitProbe;
use super::{Fields, classify, error_response};
use crate::error::{AwsResponse, Failure, Outcome, Reason};
use crate::util::error_chain::{causes, chain};

/// The failure of an attempt that the SDK reports as failed.
pub(super) fn failure_of<E: Error + 'static>(
    error: &SdkError<E, HttpResponse>,
    probe: &TransmitProbe,
    fields: Fields,
) -> AttemptFailed {
    match error.raw_response() {
        Some(response) if response.status().is_success() => accepted_but_unreadable(error, response).into(),
        Some(response) => rejected(error, response, fields),
        None => unanswered(error, probe).into(),
    }
}

/// The state of a response's body.
#[derive(PartialEq)]
enum Body {
    Whole,
    TooLong,
    BrokenOff,
}

impl Body {
    fn of(error: &(dyn Error + 'static), response: &HttpResponse) -> Self {
        // The SDK puts the body back only after it has read the whole body.
        match response.body().bytes() {
            Some(_) => Self::Whole,
            None if causes(error).any(<dyn Error>::is::<LengthLimitError>) => Self::TooLong,
            None => Self::BrokenOff,
        }
    }
}

/// A 2xx response whose body is incomplete or unreadable.
fn accepted_but_unreadable(error: &(dyn Error + 'static), response: &HttpResponse) -> Failure {
    let broken_off = Body::of(error, response) == Body::BrokenOff;
    let reason = if broken_off { Reason::AwsConnectionLost } else { Reason::AwsBadResponse };
    let header = |name: &str| response.headers().get(name);
    let aws = AwsResponse {
        request_id: error_response::request_id(&header),
        http_status: Some(response.status().as_u16()),
        error_code: None,
    };
    Failure { aws, ..Failure::new(reason, Outcome::Unknown) }
}

fn rejected(error: &(dyn Error + 'static), response: &HttpResponse, fields: Fields) -> AttemptFailed {
    let body = response.body().bytes().unwrap_or_default();
    let answer = error_response::read(response.status().as_u16(), |name| response.headers().get(name), body);
    let mut failure = classify::to_failure(&answer, fields);
    // The missing code could be one with an unknown outcome, such as RequestTimeoutException.
    if failure.reason == Reason::AwsBadResponse && Body::of(error, response) == Body::BrokenOff {
        (failure.reason, failure.outcome) = (Reason::AwsConnectionLost, Outcome::Unknown);
    }
    // After this phrase, a signature error repeats the signed request, session token included.
    let message =
        answer.message.as_deref().map(|text| text.split("The Canonical String").next().unwrap_or(text));
    let failure = Failure { log_text: message.map(str::to_owned), ..failure };
    AttemptFailed { failure, knows_aws_time: answer.has_date }
}

/// No response. The SDK's kinds of error don't say whether the request might have reached AWS: a
/// broken connection and a refused one are both "io". The probe does.
fn unanswered(error: &(dyn Error + 'static), probe: &TransmitProbe) -> Failure {
    let failure = if causes(error).any(<dyn Error>::is::<CredentialsError>) {
        Failure::not_sent(Reason::GatewayCredentialsUnavailable)
    } else if !probe.reached_transmit() {
        Failure::not_sent(Reason::GatewayBug)
    } else if probe.may_be_sent() {
        Failure::new(Reason::AwsConnectionLost, Outcome::Unknown)
    } else {
        Failure::not_sent(Reason::AwsUnreachable)
    };
    Failure { log_text: Some(chain(error)), ..failure }
}
