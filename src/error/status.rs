//! From a failure to the gRPC status that leaves the gateway, details and metadata included (AIP-193, gRFC A6).

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{Failure, Outcome, Reason};
use crate::call::{Call, End};

/// `ErrorInfo.domain` of every error.
const DOMAIN: &str = "codepipeline-gateway";

/// The longest part of a job id that stands in the details, in bytes: all response metadata together stays under
/// 4 KiB, so that no client's header limit (8 KiB in grpcio) turns an error into another one.
const MAX_JOB_ID_IN_DETAILS: usize = 128;

/// What a caller waits where AWS gave no hint, give or take a fifth, so that refused callers don't come back at once.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Tells the gRPC library not to retry on its own (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

impl Failure {
    /// The gRPC status of this failure of this call, which ends with it.
    pub(crate) fn into_status(self, call: &Call) -> Status {
        call.set_end(End {
            failure: Some((self.reason, self.outcome)),
            invalid_fields: self.violations.iter().map(|violation| violation.field).collect(),
            aws: self.aws.clone(),
            log_text: self.log_text.clone(),
        });
        let mut metadata = MetadataMap::new();
        if let Some(id) = self.aws.request_id.as_deref().and_then(|id| MetadataValue::try_from(id).ok()) {
            metadata.insert("x-amzn-requestid", id);
        }
        if self.outcome == Outcome::Unknown {
            metadata.insert(PUSHBACK, MetadataValue::from_static("-1"));
        }
        let details = self.details(call);
        Status::with_error_details_and_metadata(self.code(), self.message(), details, metadata)
    }

    fn details(&self, call: &Call) -> ErrorDetails {
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason.name(), DOMAIN, self.info(call));
        details.set_request_info(call.request_id(), "");
        if self.reason.has_retry_info() {
            details.set_retry_info(Some(self.retry_after.unwrap_or_else(default_retry_delay)));
        }
        if !self.violations.is_empty() {
            let violations =
                self.violations.iter().map(|v| FieldViolation::new(v.field, v.description.as_str()));
            details.set_bad_request(violations.collect::<Vec<_>>());
        }
        let job_id = call.job_id().map(|id| truncate(id, MAX_JOB_ID_IN_DETAILS));
        match (self.reason, job_id) {
            (Reason::JobNotFound, Some(id)) => {
                details.set_resource_info("codepipeline.ThirdPartyJob", id, "", "AWS knows no such job");
            }
            (Reason::InvalidNonce, Some(id)) => {
                details.add_precondition_failure_violation("NONCE", id, "AWS refused the nonce for this job");
            }
            _ => {}
        }
        details
    }

    fn info(&self, call: &Call) -> HashMap<String, String> {
        let known = [
            ("awsErrorCode", self.aws.error_code.clone()),
            ("awsRequestId", self.aws.request_id.clone()),
            ("httpStatus", self.aws.http_status.map(|status| status.to_string())),
            ("attempts", Some(call.progress().attempts().to_string())),
            ("region", Some(call.region().to_owned())),
            ("outcome", Some(self.outcome.as_str().to_owned())),
        ];
        known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Whether an answer is fine as it is: a success, or an error that says why.
///
/// tonic's own errors (an unknown method, a message that it can't read) come without details.
pub(crate) fn has_details(headers: &HeaderMap) -> bool {
    match headers.get(Status::GRPC_STATUS) {
        None => true,
        Some(status) => status == "0" || headers.contains_key(Status::GRPC_STATUS_DETAILS),
    }
}

/// The whole answer of a call that failed outside the service: an error in the headers, no body.
///
/// `offered` are the headers of tonic's own error that it replaces; what they tell a client about compression stays.
pub(crate) fn into_response(failure: Failure, call: &Call, offered: &HeaderMap) -> Response<Body> {
    const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    let mut response = failure.into_status(call).into_http::<Body>();
    let accept = offered.get(&ACCEPT_ENCODING).cloned().unwrap_or(HeaderValue::from_static("identity"));
    response.headers_mut().insert(ACCEPT_ENCODING, accept);
    response
}

fn default_retry_delay() -> Duration {
    DEFAULT_RETRY_DELAY.mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// The longest start of a text that fits, cut between characters.
fn truncate(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_stays_within_the_limit_and_between_characters() {
        assert_eq!(truncate("short", 128), "short");
        assert_eq!(truncate("aé", 2), "a");
        assert_eq!(truncate(&"🦀".repeat(512), MAX_JOB_ID_IN_DETAILS).len(), 128);
    }

    #[test]
    fn callers_are_told_to_wait_about_a_second_each_another_time() {
        let waits: Vec<Duration> = (0..100).map(|_| default_retry_delay()).collect();
        assert!(waits.iter().all(|w| (0.8..=1.2).contains(&w.as_secs_f64())));
        assert!(waits.iter().any(|w| *w != waits[0]));
    }
}
