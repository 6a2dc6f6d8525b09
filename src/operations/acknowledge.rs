//! AcknowledgeThirdPartyJob: a job worker confirms that it took a job.

use super::Operation;
use super::fields::{JobId, MAX_CLIENT_TOKEN, MAX_JOB_ID, MAX_NONCE, SecretText, Violations};
use crate::call::Subject;
use crate::error::Failure;
use crate::methods::{self, Method};
use crate::proto::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, JobStatus};

/// A valid request to acknowledge a job.
#[derive(Debug)]
pub struct Acknowledge {
    /// The job.
    pub job_id: JobId,
    /// The nonce from the job's details.
    pub nonce: SecretText,
    /// The client token that belongs to the job's client id.
    pub client_token: SecretText,
}

/// AWS accepted the acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The job's status exactly as AWS returned it, if it returned one.
    pub aws_status: Option<String>,
}

impl Operation for Acknowledge {
    const METHOD: &'static Method = &methods::ACKNOWLEDGE;
    type Request = AcknowledgeThirdPartyJobRequest;
    type Response = AcknowledgeThirdPartyJobResponse;
    type Output = Acknowledged;

    fn describe(request: &Self::Request, subject: &Subject) {
        JobId::describe(&request.job_id, subject);
    }

    fn parse(request: Self::Request) -> Result<Self, Failure> {
        // First, so that a rejected request's secrets are wiped too.
        let (nonce, client_token) = (SecretText::from(request.nonce), SecretText::from(request.client_token));
        let mut violations = Violations::default();
        violations.check_length("job_id", &request.job_id, MAX_JOB_ID);
        violations.check_length("nonce", nonce.expose(), MAX_NONCE);
        violations.check_length("client_token", client_token.expose(), MAX_CLIENT_TOKEN);
        violations.into_result()?;
        Ok(Self { job_id: JobId::new(request.job_id), nonce, client_token })
    }

    fn respond(output: Self::Output) -> Self::Response {
        let aws_status = output.aws_status.unwrap_or_default();
        AcknowledgeThirdPartyJobResponse { status: job_status(&aws_status).into(), aws_status }
    }
}

/// AWS's `JobStatus` (API reference, data type `Job`). A status that is new at AWS is `UNSPECIFIED`
/// and never an error.
fn job_status(aws: &str) -> JobStatus {
    match aws {
        "Created" => JobStatus::Created,
        "Queued" => JobStatus::Queued,
        "Dispatched" => JobStatus::Dispatched,
        "InProgress" => JobStatus::InProgress,
        "TimedOut" => JobStatus::TimedOut,
        "Succeeded" => JobStatus::Succeeded,
        "Failed" => JobStatus::Failed,
        _ => JobStatus::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::violated;
    use super::*;

    fn request(job_id: &str, nonce: &str, client_token: &str) -> AcknowledgeThirdPartyJobRequest {
        let (job_id, nonce, client_token) = (job_id.into(), nonce.into(), client_token.into());
        AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token }
    }

    #[test]
    fn debug_output_has_no_secret() {
        let request = request("job-1", "the-nonce", "the-token");
        let shown = format!("{request:?} {:?}", Acknowledge::parse(request.clone()).unwrap());
        assert!(
            shown.contains("job-1") && !shown.contains("the-nonce") && !shown.contains("the-token"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn a_request_is_valid_exactly_within_the_limits(
            job_id in "\\PC{0,8}|\\PC{505,520}",
            nonce in "\\PC{0,55}",
            client_token in "\\PC{0,8}|\\PC{250,262}",
        ) {
            let out = |text: &str, max: usize| !(1..=max).contains(&text.chars().count());
            let mut expected = Vec::new();
            if out(&job_id, 512) { expected.push("job_id"); }
            if out(&nonce, 50) { expected.push("nonce"); }
            if out(&client_token, 256) { expected.push("client_token"); }
            prop_assert_eq!(violated::<Acknowledge>(request(&job_id, &nonce, &client_token)), expected);
        }

        #[test]
        fn any_status_of_aws_gives_a_response(status in "\\PC{0,20}|InProgress|Failed") {
            let response = Acknowledge::respond(Acknowledged { aws_status: Some(status.clone()) });
            prop_assert_eq!(&response.aws_status, &status);
            let known = response.status() != JobStatus::Unspecified;
            prop_assert_eq!(known, matches!(&*status, "InProgress" | "Failed"));
        }
    }
}
