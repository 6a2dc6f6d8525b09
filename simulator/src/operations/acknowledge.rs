//! `AcknowledgeThirdPartyJob`: a worker takes a job.

use serde_json::json;

use super::operation::{CLIENT_TOKEN, Context, JOB_ID, Operation};
use crate::config::SecondAcknowledge;
use crate::job_store::JobStore;
use crate::jobs::{AnswerStatus, status};
use crate::protocol::{AwsError, AwsResponse, Input, Text};

/// The input.
pub(super) struct Acknowledge {
    job_id: String,
    nonce: String,
    client_token: String,
}

impl Operation for Acknowledge {
    const SAMPLE: &'static str = r#"{"status":"InProgress"}"#;

    fn parse(input: &mut Input) -> Result<Self, AwsError> {
        Ok(Self {
            job_id: input.required_text("jobId", JOB_ID)?,
            nonce: input.required_text("nonce", Text::Length(50))?,
            client_token: input.required_text("clientToken", CLIENT_TOKEN)?,
        })
    }

    /// The first acknowledge of a `Dispatched` job succeeds. The token is checked before the nonce:
    /// a caller without the token learns nothing about the nonce.
    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError> {
        let repeatable = context.config.second_acknowledge == SecondAcknowledge::Status;
        let entry = jobs.authorize(&self.job_id, &self.client_token, context.now)?;
        let first = entry.is(status::DISPATCHED);
        if entry.job.nonce != self.nonce || !(first || repeatable) {
            let text = "The nonce was specified in an invalid format.";
            return Err(AwsError::new("InvalidNonceException", text));
        }
        entry.ledger.acknowledged += 1;
        if first {
            entry.start(context.now);
        }
        let output = match &entry.job.answer_status {
            AnswerStatus::True => json!({ "status": entry.job.status }),
            AnswerStatus::Omitted => json!({}),
            AnswerStatus::Raw(text) => json!({ "status": text }),
        };
        Ok(AwsResponse::ok(output.to_string()))
    }
}
