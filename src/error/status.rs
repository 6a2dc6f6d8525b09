//! Converts a failure into the gRPC status that leaves the gateway, details and metadata included
//! (AIP-193, gRFC A6).

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tonic::body::Body;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{Failure, Outcome, Reason};
use crate::methods::{Idempotency, Method};
use crate::util::backoff::jitter;
use crate::util::grpc_status;
use crate::util::text::truncate;

/// `ErrorInfo.domain` of every error.
const DOMAIN: &str = "codepipeline-gateway";

/// The type of a job in `ResourceInfo`.
const JOB_RESOURCE: &str = "codepipeline.ThirdPartyJob";

/// The longest part of a job id or an action type in the details, in bytes. All response metadata
/// together stays under 4 KiB, so that no client's header limit (8 KiB in grpcio) turns an error
/// into a different one.
const MAX_NAME_IN_DETAILS: usize = 128;

/// How long a caller waits if AWS gave no hint. It varies by a fifth, so that rejected callers
/// don't return together.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Tells the gRPC library not to retry on its own (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What an error says about the call that failed.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'a> {
    /// The method that was called.
    pub method: &'static Method,
    /// The id of the call.
    pub request_id: &'a str,
    /// The AWS region that the gateway uses.
    pub region: &'a str,
    /// How many attempts at AWS were started.
    pub attempts: u32,
    /// The job that the call is about, once that is known.
    pub job_id: Option<&'a str>,
    /// The action type that the call is about, once that is known.
    pub action_type: Option<&'a str>,
}

impl Failure {
    /// The gRPC status of this failure.
    #[must_use]
    pub fn to_status(&self, call: &CallFacts<'_>) -> Status {
        let mut metadata = MetadataMap::new();
        if let Some(id) = self.aws.request_id.as_deref().and_then(|id| MetadataValue::try_from(id).ok()) {
            metadata.insert("x-amzn-requestid", id);
        }
        if self.outcome == Outcome::Unknown && call.method.idempotency == Idempotency::None {
            metadata.insert(PUSHBACK, MetadataValue::from_static("-1"));
        }
        let (details, message) = (self.details(call), self.message(call.method));
        Status::with_error_details_and_metadata(self.code(call.method), message, details, metadata)
    }

    fn details(&self, call: &CallFacts<'_>) -> ErrorDetails {
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason.name(), DOMAIN, self.info(call));
        details.set_request_info(call.request_id, "");
        if self.reason.has_retry_info(call.method) {
            details.set_retry_info(Some(self.retry_after.unwrap_or_else(default_retry_delay)));
        }
        if !self.violations.is_empty() {
            let violations =
                self.violations.iter().map(|v| FieldViolation::new(v.field, v.description.as_str()));
            details.set_bad_request(violations.collect::<Vec<_>>());
        }
        self.add_subject(&mut details, call);
        details
    }

    /// Names what AWS rejected: the resource, or the precondition.
    fn add_subject(&self, details: &mut ErrorDetails, call: &CallFacts<'_>) {
        let cut = |name: &str| truncate(name, MAX_NAME_IN_DETAILS).to_owned();
        let job = call.job_id.map(cut).unwrap_or_default();
        match self.reason {
            Reason::JobNotFound => {
                details.set_resource_info(JOB_RESOURCE, job, "", "AWS found no job with this ID");
            }
            Reason::InvalidJob => {
                details.set_resource_info(JOB_RESOURCE, job, "", "The job can't be read in its state");
            }
            Reason::ActionTypeNotFound => {
                let action_type = call.action_type.map(cut).unwrap_or_default();
                let text = "AWS found no such action type";
                details.set_resource_info("codepipeline.ActionType", action_type, "", text);
            }
            Reason::InvalidNonce => {
                details.add_precondition_failure_violation(
                    "NONCE",
                    job,
                    "AWS rejected the nonce of this job",
                );
            }
            Reason::InvalidJobState => {
                details.add_precondition_failure_violation("JOB_STATE", job, "The job isn't in progress");
            }
            _ => {}
        }
    }

    fn info(&self, call: &CallFacts<'_>) -> HashMap<String, String> {
        let known = [
            ("awsErrorCode", self.aws.error_code.clone()),
            ("awsRequestId", self.aws.request_id.clone()),
            ("httpStatus", self.aws.http_status.map(|status| status.to_string())),
            ("attempts", Some(call.attempts.to_string())),
            ("region", Some(call.region.to_owned())),
            ("outcome", Some(self.outcome.as_str().to_owned())),
        ];
        known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Whether a response can leave as it is: a success, or an error that says why.
///
/// tonic's own errors (an unknown method, a message that it can't read) come without details.
pub(crate) fn has_details(headers: &HeaderMap) -> bool {
    grpc_status::code(headers) == Code::Ok || headers.contains_key(Status::GRPC_STATUS_DETAILS)
}

/// The whole response of a call that failed outside the service: an error in the headers, and no
/// body.
///
/// `replaced` are the headers of tonic's own error, if this response replaces one. Their
/// `grpc-accept-encoding` stays.
pub(crate) fn into_response(failure: &Failure, call: &CallFacts<'_>, replaced: &HeaderMap) -> Response<Body> {
    const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    let mut response = failure.to_status(call).into_http::<Body>();
    let accept = replaced.get(&ACCEPT_ENCODING).cloned().unwrap_or(HeaderValue::from_static("identity"));
    response.headers_mut().insert(ACCEPT_ENCODING, accept);
    response
}

fn default_retry_delay() -> Duration {
    jitter(DEFAULT_RETRY_DELAY, 0.2)
}
