//! What an answer of AWS, or the lack of one, means: the rows of the table that begin at AWS.
//!
//! Codes are matched by their whole name: `InvalidClientTokenId` speaks of the gateway's key,
//! `InvalidClientTokenException` of the caller's token. Names are from the service's API reference, AWS's list of
//! common errors, and the SDK's own classifier (for throttling).

use aws_runtime::retries::classifiers::THROTTLING_ERRORS;

use super::answer::ErrorAnswer;
use crate::error::{AwsAnswer, Failure, Outcome, Reason, Violation};

/// What an answer with a status other than 2xx means. AWS's code counts first, then the status, then the body.
pub(super) fn error_answer(answer: &ErrorAnswer) -> Failure {
    let message = answer.message.as_deref().unwrap_or_default();
    let by_code = answer.code.as_deref().and_then(|code| reason_of_code(code, message));
    let reason = by_code.unwrap_or_else(|| reason_of_status(answer));
    let outcome = match reason {
        Reason::AwsUnavailable | Reason::AwsRequestTimeout => Outcome::Unknown,
        _ => Outcome::Rejected,
    };
    Failure {
        aws: AwsAnswer {
            error_code: answer.code.clone(),
            request_id: answer.request_id.clone(),
            http_status: Some(answer.status),
        },
        retry_after: answer.retry_after,
        violations: if reason == Reason::ValidationFailed { fields_named_in(message) } else { Vec::new() },
        ..Failure::new(reason, outcome)
    }
}

fn reason_of_code(code: &str, message: &str) -> Option<Reason> {
    let reason = match code {
        "ValidationException" | "ValidationError" => Reason::ValidationFailed,
        "JobNotFoundException" => Reason::JobNotFound,
        "InvalidNonceException" => Reason::InvalidNonce,
        "InvalidClientTokenException" => Reason::InvalidClientToken,
        "ServiceUnavailable" | "InternalFailure" | "InternalError" => Reason::AwsUnavailable,
        "RequestTimeout" | "RequestTimeoutException" | "RequestAbortedException" => Reason::AwsRequestTimeout,
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired" => Reason::GatewayAccessDenied,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Reason::GatewayCredentialsExpired,
        "RequestTimeTooSkewed" => Reason::GatewayClockSkew,
        "InvalidSignatureException" if is_about_the_clock(message) => Reason::GatewayClockSkew,
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Reason::GatewayCredentialsRejected,
        "SerializationException"
        | "UnknownOperation"
        | "UnknownOperationException"
        | "MalformedHttpRequest"
        | "MalformedHttpRequestException"
        | "RequestEntityTooLarge"
        | "RequestEntityTooLargeException" => Reason::GatewayBug,
        throttling if THROTTLING_ERRORS.contains(&throttling) => Reason::AwsThrottled,
        _ => return None,
    };
    Some(reason)
}

/// AWS's words: "Signature expired: …" and "Signature not yet current: …".
fn is_about_the_clock(message: &str) -> bool {
    message.starts_with("Signature expired") || message.starts_with("Signature not yet current")
}

fn reason_of_status(answer: &ErrorAnswer) -> Reason {
    match answer.status {
        500.. => Reason::AwsUnavailable,
        429 => Reason::AwsThrottled,
        408 => Reason::AwsRequestTimeout,
        // A service of AWS names its errors; what doesn't is something else on the way.
        400..500 if answer.code.is_none() => Reason::AwsBadResponse,
        _ => Reason::AwsUnrecognizedError,
    }
}

/// The fields that a ValidationException names: "Value at 'nonce' failed to satisfy constraint: …".
fn fields_named_in(message: &str) -> Vec<Violation> {
    [("jobId", "job_id"), ("nonce", "nonce"), ("clientToken", "client_token")]
        .into_iter()
        .filter(|(aws, _)| message.contains(&format!("at '{aws}'")))
        .map(|(_, field)| Violation { field, description: "was refused by AWS".into() })
        .collect()
}
