//! Maps an error response of AWS to a reason.
//!
//! Codes are matched by their whole name: `InvalidClientTokenId` is about the gateway's key, and
//! `InvalidClientTokenException` about the caller's token. The names are from the service's API
//! reference, AWS's list of common errors, and the SDK's own classifier (for throttling).

use aws_runtime::retries::classifiers::THROTTLING_ERRORS;

use super::Fields;
use super::error_response::ErrorResponse;
use crate::error::{AwsResponse, Failure, Outcome, Reason, Violation};

/// The meaning of a response with a status other than 2xx. AWS's code has priority, then the
/// status, then the body.
pub(super) fn to_failure(response: &ErrorResponse, fields: Fields) -> Failure {
    let message = response.message.as_deref().unwrap_or_default();
    let by_code = response.code.as_deref().and_then(|code| reason_of_code(code, message));
    let reason = by_code.unwrap_or_else(|| reason_of_status(response));
    let outcome = match reason {
        Reason::AwsUnavailable | Reason::AwsRequestTimeout => Outcome::Unknown,
        _ => Outcome::Rejected,
    };
    Failure {
        aws: AwsResponse {
            error_code: response.code.clone(),
            request_id: response.request_id.clone(),
            http_status: Some(response.status),
        },
        retry_after: response.retry_after,
        ..if reason == Reason::ValidationFailed {
            Failure::value_rejected(named_fields(message, fields))
        } else {
            Failure::new(reason, outcome)
        }
    }
}

/// The codes and their reasons. Those for throttling are the SDK's own list.
const CODES: &[(&str, Reason)] = &[
    ("ValidationException", Reason::ValidationFailed),
    ("ValidationError", Reason::ValidationFailed),
    ("JobNotFoundException", Reason::JobNotFound),
    ("InvalidNonceException", Reason::InvalidNonce),
    ("InvalidClientTokenException", Reason::InvalidClientToken),
    ("ActionTypeNotFoundException", Reason::ActionTypeNotFound),
    ("InvalidJobException", Reason::InvalidJob),
    ("InvalidJobStateException", Reason::InvalidJobState),
    ("ServiceUnavailable", Reason::AwsUnavailable),
    ("InternalFailure", Reason::AwsUnavailable),
    ("InternalError", Reason::AwsUnavailable),
    // The names of other AWS services for the same.
    ("ServiceUnavailableException", Reason::AwsUnavailable),
    ("InternalFailureException", Reason::AwsUnavailable),
    ("InternalServerError", Reason::AwsUnavailable),
    ("InternalServerException", Reason::AwsUnavailable),
    ("InternalServiceError", Reason::AwsUnavailable),
    ("RequestTimeout", Reason::AwsRequestTimeout),
    ("RequestTimeoutException", Reason::AwsRequestTimeout),
    ("RequestAbortedException", Reason::AwsRequestTimeout),
    ("AccessDenied", Reason::GatewayAccessDenied),
    ("AccessDeniedException", Reason::GatewayAccessDenied),
    ("NotAuthorized", Reason::GatewayAccessDenied),
    ("UnauthorizedOperation", Reason::GatewayAccessDenied),
    ("OptInRequired", Reason::GatewayAccessDenied),
    ("ExpiredToken", Reason::GatewayCredentialsExpired),
    ("ExpiredTokenException", Reason::GatewayCredentialsExpired),
    ("RequestExpired", Reason::GatewayCredentialsExpired),
    ("RequestTimeTooSkewed", Reason::GatewayClockSkew),
    // Unless its message is about the clock, see `reason_of_code`.
    (SIGNATURE, Reason::GatewayCredentialsRejected),
    ("SignatureDoesNotMatch", Reason::GatewayCredentialsRejected),
    ("IncompleteSignature", Reason::GatewayCredentialsRejected),
    ("IncompleteSignatureException", Reason::GatewayCredentialsRejected),
    ("UnrecognizedClientException", Reason::GatewayCredentialsRejected),
    ("InvalidClientTokenId", Reason::GatewayCredentialsRejected),
    ("InvalidAccessKeyId", Reason::GatewayCredentialsRejected),
    ("MissingAuthenticationToken", Reason::GatewayCredentialsRejected),
    ("MissingAuthenticationTokenException", Reason::GatewayCredentialsRejected),
    ("SerializationException", Reason::GatewayBug),
    ("UnknownOperation", Reason::GatewayBug),
    ("UnknownOperationException", Reason::GatewayBug),
    ("MalformedHttpRequest", Reason::GatewayBug),
    ("MalformedHttpRequestException", Reason::GatewayBug),
    ("RequestEntityTooLarge", Reason::GatewayBug),
    ("RequestEntityTooLargeException", Reason::GatewayBug),
];

/// AWS's code for any signature that it can't accept.
const SIGNATURE: &str = "InvalidSignatureException";

fn reason_of_code(code: &str, message: &str) -> Option<Reason> {
    if code == SIGNATURE && is_about_the_clock(message) {
        return Some(Reason::GatewayClockSkew);
    }
    let throttling = || THROTTLING_ERRORS.contains(&code).then_some(Reason::AwsThrottled);
    CODES.iter().find(|(known, _)| *known == code).map(|(_, reason)| *reason).or_else(throttling)
}

/// Every code that the gateway knows, with what it means.
pub fn error_codes() -> impl Iterator<Item = (&'static str, Reason)> {
    let throttling = THROTTLING_ERRORS.iter().map(|code| (*code, Reason::AwsThrottled));
    CODES.iter().copied().chain(throttling)
}

/// The code as a metric's label: a code that the gateway knows, else `other`. A response must not
/// be able to create new time series.
pub(super) fn label(code: &str) -> &'static str {
    error_codes().find(|(known, _)| *known == code).map_or("other", |(known, _)| known)
}

/// AWS's error messages: "Signature expired: …" and "Signature not yet current: …".
fn is_about_the_clock(message: &str) -> bool {
    message.starts_with("Signature expired") || message.starts_with("Signature not yet current")
}

fn reason_of_status(response: &ErrorResponse) -> Reason {
    match response.status {
        500.. => Reason::AwsUnavailable,
        429 => Reason::AwsThrottled,
        408 => Reason::AwsRequestTimeout,
        // AWS's services send a code. A response without one is from something in between.
        400..500 if response.code.is_none() => Reason::AwsBadResponse,
        _ => Reason::AwsUnrecognizedError,
    }
}

/// The fields that a ValidationException names: "Value at 'nonce' failed to satisfy constraint: …".
fn named_fields(message: &str, fields: Fields) -> Vec<Violation> {
    fields
        .iter()
        .filter(|(aws, _)| message.contains(&format!("at '{aws}'")))
        .map(|(_, field)| Violation { field, description: "was rejected by AWS".into() })
        .collect()
}
