//! What CodePipeline itself decides: the jobs and the one operation on them.

use std::collections::BTreeMap;

use serde_json::json;

use crate::answer::{Answer, Refusal};
use crate::config::SecondAcknowledge;
use crate::jobs::{AnswerStatus, Job};
use crate::wire::Acknowledge;

/// All jobs. It lives behind one lock, so of many concurrent acknowledges exactly one finds the job
/// `Dispatched`.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) second_acknowledge: SecondAcknowledge,
    jobs: BTreeMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    job: Job,
    acknowledged: usize,
}

impl Pipeline {
    pub(crate) fn new(second_acknowledge: SecondAcknowledge) -> Self {
        Self { second_acknowledge, jobs: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, job: Job) {
        self.jobs.insert(job.id.clone(), Held { job, acknowledged: 0 });
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|held| &held.job)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    pub(crate) fn acknowledged(&self, id: &str) -> usize {
        self.jobs.get(id).map_or(0, |held| held.acknowledged)
    }

    /// The operation. The order of the checks is job, token, nonce: who can't show the token learns nothing
    /// of the nonce.
    pub(crate) fn acknowledge(&mut self, input: &Acknowledge) -> Result<Answer, Refusal> {
        let Some(held) = self.jobs.get_mut(&input.job_id) else {
            let text = "The job was specified in an invalid format or cannot be found.";
            return Err(Refusal::new("JobNotFoundException", text));
        };
        if held.job.client_token != input.client_token {
            let text = "The client token was specified in an invalid format.";
            return Err(Refusal::new("InvalidClientTokenException", text));
        }
        let first = held.job.status == "Dispatched";
        let repeatable = self.second_acknowledge == SecondAcknowledge::Status;
        if held.job.nonce != input.nonce || !(first || repeatable) {
            let text = "The nonce was specified in an invalid format.";
            return Err(Refusal::new("InvalidNonceException", text));
        }
        held.acknowledged += 1;
        if first {
            "InProgress".clone_into(&mut held.job.status);
        }
        Ok(Answer::ok(&match &held.job.answer_status {
            AnswerStatus::True => json!({ "status": held.job.status }),
            AnswerStatus::Omitted => json!({}),
            AnswerStatus::Raw(text) => json!({ "status": text }),
        }))
    }
}
