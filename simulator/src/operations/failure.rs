//! `PutThirdPartyJobFailureResult`: a worker ends a job with a failure.

use super::operation::{CLIENT_TOKEN, Context, EXECUTION_ID, JOB_ID, Operation};
use crate::job_store::JobStore;
use crate::jobs::status;
use crate::ledger::{FailureDetails, JobResult};
use crate::protocol::{AwsError, AwsResponse, Input, Text};

const FAILURE_TYPE: Text = Text::OneOf(&[
    "JobFailed",
    "ConfigurationError",
    "PermissionError",
    "RevisionOutOfSync",
    "RevisionUnavailable",
    "SystemUnavailable",
]);

/// The input.
pub(super) struct Failure {
    job_id: String,
    client_token: String,
    details: FailureDetails,
}

impl Operation for Failure {
    const SAMPLE: &'static str = "{}";

    fn parse(input: &mut Input) -> Result<Self, AwsError> {
        Ok(Self {
            job_id: input.required_text("jobId", JOB_ID)?,
            client_token: input.required_text("clientToken", CLIENT_TOKEN)?,
            details: input.required_structure("failureDetails", failure_details)?,
        })
    }

    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError> {
        let entry = jobs.authorize(&self.job_id, &self.client_token, context.now)?;
        entry.end(status::FAILED, JobResult::Failure(self.details))?;
        Ok(AwsResponse::empty())
    }
}

fn failure_details(input: &mut Input) -> Result<FailureDetails, AwsError> {
    Ok(FailureDetails {
        kind: input.required_text("type", FAILURE_TYPE)?,
        message: input.required_text("message", Text::Length(5000))?,
        external_execution_id: input.optional_text("externalExecutionId", EXECUTION_ID)?,
    })
}
