//! PutThirdPartyJobFailureResult: a job worker reports that a job failed.

use super::Operation;
use super::fields::{
    JobId, MAX_CLIENT_TOKEN, MAX_EXECUTION_ID, MAX_JOB_ID, SecretText, Violations, non_empty,
};
use crate::call::Subject;
use crate::error::Failure as CallFailure;
use crate::methods::{self, Method};
use crate::proto::{
    FailureType, PutThirdPartyJobFailureResultRequest, PutThirdPartyJobFailureResultResponse,
};

/// The longest message, in characters.
const MAX_MESSAGE: usize = 5000;

/// A valid report of a failure.
#[derive(Debug)]
pub struct Failure {
    /// The job.
    pub job_id: JobId,
    /// The client token that belongs to the job's client id.
    pub client_token: SecretText,
    /// The kind of failure.
    pub kind: FailureKind,
    /// A message for the people who see the pipeline.
    pub message: String,
    /// The id of the execution in an external system.
    pub external_execution_id: Option<String>,
}

/// The kind of a job's failure (AWS: `FailureType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The work failed.
    JobFailed,
    /// The action's configuration is wrong.
    ConfigurationError,
    /// The worker lacks a permission.
    PermissionError,
    /// The revision isn't the one that the action needs.
    RevisionOutOfSync,
    /// The revision can't be read.
    RevisionUnavailable,
    /// A system that the worker needs isn't available.
    SystemUnavailable,
}

impl Operation for Failure {
    const METHOD: &'static Method = &methods::FAILURE;
    type Request = PutThirdPartyJobFailureResultRequest;
    type Response = PutThirdPartyJobFailureResultResponse;
    type Output = ();

    fn describe(request: &Self::Request, subject: &Subject) {
        JobId::describe(&request.job_id, subject);
    }

    fn parse(request: Self::Request) -> Result<Self, CallFailure> {
        let client_token = SecretText::from(request.client_token);
        let details = request.failure_details.unwrap_or_default();
        let kind = FailureType::try_from(details.r#type).ok().and_then(failure_kind);
        let mut violations = Violations::default();
        violations.check_length("job_id", &request.job_id, MAX_JOB_ID);
        violations.check_length("client_token", client_token.expose(), MAX_CLIENT_TOKEN);
        if kind.is_none() {
            violations.add("failure_details.type", "must be one of the listed types, and not UNSPECIFIED");
        }
        violations.check_length("failure_details.message", &details.message, MAX_MESSAGE);
        let id = &details.external_execution_id;
        violations.check_optional("failure_details.external_execution_id", id, MAX_EXECUTION_ID);
        violations.into_result()?;
        Ok(Self {
            job_id: JobId::new(request.job_id),
            client_token,
            // A missing kind is a violation.
            kind: kind.unwrap_or(FailureKind::JobFailed),
            message: details.message,
            external_execution_id: non_empty(details.external_execution_id),
        })
    }

    fn respond((): Self::Output) -> Self::Response {
        PutThirdPartyJobFailureResultResponse {}
    }
}

fn failure_kind(kind: FailureType) -> Option<FailureKind> {
    match kind {
        FailureType::Unspecified => None,
        FailureType::JobFailed => Some(FailureKind::JobFailed),
        FailureType::ConfigurationError => Some(FailureKind::ConfigurationError),
        FailureType::PermissionError => Some(FailureKind::PermissionError),
        FailureType::RevisionOutOfSync => Some(FailureKind::RevisionOutOfSync),
        FailureType::RevisionUnavailable => Some(FailureKind::RevisionUnavailable),
        FailureType::SystemUnavailable => Some(FailureKind::SystemUnavailable),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::violated;
    use super::*;
    use crate::proto::FailureDetails;

    fn request(kind: i32, message: &str, id: &str) -> PutThirdPartyJobFailureResultRequest {
        PutThirdPartyJobFailureResultRequest {
            job_id: "job-1".into(),
            client_token: "secret-token".into(),
            failure_details: Some(FailureDetails {
                r#type: kind,
                message: message.into(),
                external_execution_id: id.into(),
            }),
        }
    }

    #[test]
    fn missing_details_violate_their_required_fields() {
        let expected = ["job_id", "client_token", "failure_details.type", "failure_details.message"];
        assert_eq!(violated::<Failure>(PutThirdPartyJobFailureResultRequest::default()), expected);
    }

    #[test]
    fn debug_output_has_no_secret() {
        let request = request(1, "it failed", "");
        let shown = format!("{request:?} {:?}", Failure::parse(request.clone()).unwrap());
        assert!(shown.contains("job-1") && !shown.contains("secret-"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_request_is_valid_exactly_within_the_limits(
            kind in -2..10, message in "\\PC{0,3}|\\PC{4998,5003}", id in "\\PC{0,3}|\\PC{1499,1502}",
        ) {
            let mut expected = Vec::new();
            if !(1..=6).contains(&kind) { expected.push("failure_details.type"); }
            if !(1..=5000).contains(&message.chars().count()) { expected.push("failure_details.message"); }
            if id.chars().count() > 1500 { expected.push("failure_details.external_execution_id"); }
            prop_assert_eq!(violated::<Failure>(request(kind, &message, &id)), expected);
        }
    }
}
