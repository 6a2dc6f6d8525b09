//! PutThirdPartyJobSuccessResult: a job worker reports that a job succeeded.

use super::Operation;
use super::fields::{
    JobId, MAX_CLIENT_TOKEN, MAX_EXECUTION_ID, MAX_JOB_ID, SecretText, Violations, non_empty,
};
use crate::call::Subject;
use crate::error::Failure;
use crate::methods::{self, Method};
use crate::proto::{self, PutThirdPartyJobSuccessResultRequest, PutThirdPartyJobSuccessResultResponse};

/// The longest revision, in characters.
const MAX_REVISION: usize = 1500;
/// The longest change identifier, in characters.
const MAX_CHANGE_IDENTIFIER: usize = 100;
/// The longest summary and continuation token, in characters.
const MAX_SUMMARY: usize = 2048;
/// The last second of the year 9999, since the epoch. Protobuf's timestamps begin in the year 1 and
/// end here.
const LAST_SECOND: i64 = 253_402_300_799;
/// The first second of the year 1.
const FIRST_SECOND: i64 = -62_135_596_800;

/// A valid report of a success.
#[derive(Debug)]
pub struct Success {
    /// The job.
    pub job_id: JobId,
    /// The client token that belongs to the job's client id.
    pub client_token: SecretText,
    /// The revision that the action produced or used.
    pub current_revision: Option<CurrentRevision>,
    /// A token with which a later job continues this one.
    pub continuation_token: Option<SecretText>,
    /// What the worker did.
    pub execution_details: Option<ExecutionDetails>,
}

/// A revision of an artifact.
#[derive(Clone, Debug)]
pub struct CurrentRevision {
    /// The revision's id.
    pub revision: String,
    /// The change's id.
    pub change_identifier: String,
    /// When the revision was created: seconds since the epoch, and nanoseconds.
    pub created: Option<(i64, u32)>,
    /// A summary.
    pub revision_summary: Option<String>,
}

/// What a worker did.
#[derive(Clone, Debug)]
pub struct ExecutionDetails {
    /// A summary.
    pub summary: Option<String>,
    /// The id of the execution in an external system.
    pub external_execution_id: Option<String>,
    /// How much of the work is complete, from 0 to 100.
    pub percent_complete: Option<i32>,
}

impl Operation for Success {
    const METHOD: &'static Method = &methods::SUCCESS;
    type Request = PutThirdPartyJobSuccessResultRequest;
    type Response = PutThirdPartyJobSuccessResultResponse;
    type Output = ();

    fn describe(request: &Self::Request, subject: &Subject) {
        JobId::describe(&request.job_id, subject);
    }

    fn parse(request: Self::Request) -> Result<Self, Failure> {
        let client_token = SecretText::from(request.client_token);
        let continuation_token = request.continuation_token.map(SecretText::from);
        let mut violations = Violations::default();
        violations.check_length("job_id", &request.job_id, MAX_JOB_ID);
        violations.check_length("client_token", client_token.expose(), MAX_CLIENT_TOKEN);
        if let Some(revision) = &request.current_revision {
            check_revision(revision, &mut violations);
        }
        if let Some(token) = &continuation_token {
            violations.check_length("continuation_token", token.expose(), MAX_SUMMARY);
        }
        if let Some(details) = &request.execution_details {
            check_details(details, &mut violations);
        }
        violations.into_result()?;
        Ok(Self {
            job_id: JobId::new(request.job_id),
            client_token,
            current_revision: request.current_revision.map(current_revision),
            continuation_token,
            execution_details: request.execution_details.map(|details| ExecutionDetails {
                summary: non_empty(details.summary),
                external_execution_id: non_empty(details.external_execution_id),
                percent_complete: details.percent_complete,
            }),
        })
    }

    fn respond((): Self::Output) -> Self::Response {
        PutThirdPartyJobSuccessResultResponse {}
    }
}

fn check_revision(revision: &proto::CurrentRevision, violations: &mut Violations) {
    violations.check_length("current_revision.revision", &revision.revision, MAX_REVISION);
    let change = &revision.change_identifier;
    violations.check_length("current_revision.change_identifier", change, MAX_CHANGE_IDENTIFIER);
    if revision.created.is_some_and(|created| !is_valid(&created)) {
        violations.add("current_revision.created", "must be a date from year 1 to year 9999");
    }
    violations.check_optional("current_revision.revision_summary", &revision.revision_summary, MAX_SUMMARY);
}

fn check_details(details: &proto::ExecutionDetails, violations: &mut Violations) {
    violations.check_optional("execution_details.summary", &details.summary, MAX_SUMMARY);
    let id = &details.external_execution_id;
    violations.check_optional("execution_details.external_execution_id", id, MAX_EXECUTION_ID);
    if details.percent_complete.is_some_and(|percent| !(0..=100).contains(&percent)) {
        violations.add("execution_details.percent_complete", "must be from 0 to 100");
    }
}

/// Whether protobuf allows the timestamp.
fn is_valid(timestamp: &prost_types::Timestamp) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&timestamp.seconds) && (0..1_000_000_000).contains(&timestamp.nanos)
}

fn current_revision(revision: proto::CurrentRevision) -> CurrentRevision {
    CurrentRevision {
        revision: revision.revision,
        change_identifier: revision.change_identifier,
        created: revision.created.map(|created| (created.seconds, created.nanos.unsigned_abs())),
        revision_summary: non_empty(revision.revision_summary),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_types::Timestamp;

    use super::super::tests::violated;
    use super::*;

    fn valid() -> PutThirdPartyJobSuccessResultRequest {
        PutThirdPartyJobSuccessResultRequest {
            job_id: "job-1".into(),
            client_token: "secret-token".into(),
            ..PutThirdPartyJobSuccessResultRequest::default()
        }
    }

    #[test]
    fn a_request_with_its_required_fields_alone_is_valid() {
        let parsed = Success::parse(valid()).unwrap();
        assert!(parsed.current_revision.is_none() && parsed.continuation_token.is_none());
        assert!(parsed.execution_details.is_none());
    }

    #[test]
    fn a_continuation_token_that_is_set_and_empty_is_rejected() {
        let request =
            PutThirdPartyJobSuccessResultRequest { continuation_token: Some(String::new()), ..valid() };
        assert_eq!(violated::<Success>(request), ["continuation_token"]);
    }

    #[test]
    fn every_violation_is_reported_with_its_path() {
        let request = PutThirdPartyJobSuccessResultRequest {
            current_revision: Some(proto::CurrentRevision {
                created: Some(Timestamp { seconds: LAST_SECOND + 1, nanos: 0 }),
                revision_summary: "s".repeat(2049),
                ..proto::CurrentRevision::default()
            }),
            continuation_token: Some("t".repeat(2049)),
            execution_details: Some(proto::ExecutionDetails {
                summary: "s".repeat(2049),
                external_execution_id: "e".repeat(1501),
                percent_complete: Some(101),
            }),
            ..PutThirdPartyJobSuccessResultRequest::default()
        };
        let expected = [
            "job_id",
            "client_token",
            "current_revision.revision",
            "current_revision.change_identifier",
            "current_revision.created",
            "current_revision.revision_summary",
            "continuation_token",
            "execution_details.summary",
            "execution_details.external_execution_id",
            "execution_details.percent_complete",
        ];
        assert_eq!(violated::<Success>(request), expected);
    }

    #[test]
    fn debug_output_has_no_secret() {
        let request = PutThirdPartyJobSuccessResultRequest {
            continuation_token: Some("secret-continuation".into()),
            ..valid()
        };
        let shown = format!("{request:?} {:?}", Success::parse(request.clone()).unwrap());
        assert!(shown.contains("job-1") && !shown.contains("secret-"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_timestamp_is_valid_exactly_within_protobufs_limits(
            seconds in any::<i64>(), nanos in any::<i32>(),
        ) {
            let in_range = (-62_135_596_800..=253_402_300_799).contains(&seconds)
                && (0..=999_999_999).contains(&nanos);
            prop_assert_eq!(is_valid(&Timestamp { seconds, nanos }), in_range);
        }

        #[test]
        fn a_percentage_is_valid_from_0_to_100(percent in -200..300) {
            let execution_details = Some(proto::ExecutionDetails {
                percent_complete: Some(percent),
                ..proto::ExecutionDetails::default()
            });
            let request = PutThirdPartyJobSuccessResultRequest { execution_details, ..valid() };
            prop_assert_eq!(violated::<Success>(request).is_empty(), (0..=100).contains(&percent));
        }
    }
}
