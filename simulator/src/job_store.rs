//! The jobs, and the checks that every operation on a job starts with.

use std::collections::BTreeMap;

use crate::config::SecondAcknowledge;
use crate::jobs::Job;
use crate::protocol::AwsError;

/// All jobs. The store is behind one lock, so exactly one of many concurrent acknowledges finds the
/// job `Dispatched`.
#[derive(Debug)]
pub(crate) struct JobStore {
    pub(crate) second_acknowledge: SecondAcknowledge,
    jobs: BTreeMap<String, JobEntry>,
}

/// A job and its history.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub(crate) job: Job,
    pub(crate) acknowledged: usize,
}

impl JobStore {
    pub(crate) fn new(second_acknowledge: SecondAcknowledge) -> Self {
        Self { second_acknowledge, jobs: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, job: Job) {
        self.jobs.insert(job.id.clone(), JobEntry { job, acknowledged: 0 });
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|entry| &entry.job)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    pub(crate) fn acknowledged(&self, id: &str) -> usize {
        self.jobs.get(id).map_or(0, |entry| entry.acknowledged)
    }

    /// The job with this id, if the token is the job's.
    pub(crate) fn authorize(&mut self, id: &str, client_token: &str) -> Result<&mut JobEntry, AwsError> {
        let Some(entry) = self.jobs.get_mut(id) else {
            let text = "The job was specified in an invalid format or cannot be found.";
            return Err(AwsError::new("JobNotFoundException", text));
        };
        if entry.job.client_token != client_token {
            let text = "The client token was specified in an invalid format.";
            return Err(AwsError::new("InvalidClientTokenException", text));
        }
        Ok(entry)
    }
}
