//! `PutThirdPartyJobSuccessResult`: a worker ends a job with a success.

use super::operation::{CLIENT_TOKEN, Context, EXECUTION_ID, JOB_ID, Operation};
use crate::job_store::{JobStore, new_id, new_nonce};
use crate::jobs::{Job, status};
use crate::ledger::{CurrentRevision, ExecutionDetails, JobResult};
use crate::protocol::{AwsError, AwsResponse, Input, Text};

const SUMMARY: Text = Text::Length(2048);

/// The input.
pub(super) struct Success {
    job_id: String,
    client_token: String,
    current_revision: Option<CurrentRevision>,
    continuation_token: Option<String>,
    execution_details: Option<ExecutionDetails>,
}

impl Operation for Success {
    const SAMPLE: &'static str = "{}";

    fn parse(input: &mut Input) -> Result<Self, AwsError> {
        Ok(Self {
            job_id: input.required_text("jobId", JOB_ID)?,
            client_token: input.required_text("clientToken", CLIENT_TOKEN)?,
            current_revision: input.optional_structure("currentRevision", current_revision)?,
            continuation_token: input.optional_text("continuationToken", Text::Length(2048))?,
            execution_details: input.optional_structure("executionDetails", execution_details)?,
        })
    }

    /// Ends the job. With a continuation token, a new job of the same action starts.
    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError> {
        let entry = jobs.authorize(&self.job_id, &self.client_token, context.now)?;
        let next = self.continuation_token.map(|token| next_job(&entry.job, token));
        let result = JobResult::Success {
            current_revision: self.current_revision,
            execution_details: self.execution_details,
            next_job_id: next.as_ref().map(|job| job.id.clone()),
        };
        entry.end(status::SUCCEEDED, result)?;
        if let Some(next) = next {
            jobs.add(next, context.now);
        }
        Ok(AwsResponse::empty())
    }
}

fn next_job(ended: &Job, continuation_token: String) -> Job {
    Job {
        id: new_id(),
        nonce: new_nonce(),
        status: status::QUEUED.to_owned(),
        continuation_token: Some(continuation_token),
        ..ended.clone()
    }
}

fn current_revision(input: &mut Input) -> Result<CurrentRevision, AwsError> {
    Ok(CurrentRevision {
        revision: input.required_text("revision", Text::Length(1500))?,
        change_identifier: input.required_text("changeIdentifier", Text::Length(100))?,
        created: input.optional_timestamp("created")?,
        revision_summary: input.optional_text("revisionSummary", SUMMARY)?,
    })
}

fn execution_details(input: &mut Input) -> Result<ExecutionDetails, AwsError> {
    Ok(ExecutionDetails {
        summary: input.optional_text("summary", SUMMARY)?,
        external_execution_id: input.optional_text("externalExecutionId", EXECUTION_ID)?,
        percent_complete: input.optional_integer("percentComplete", &(0..=100))?,
    })
}
