//! The jobs, and the checks that several operations share.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::artifact_keys::ArtifactKeys;
use crate::jobs::{ActionType, Job, status};
use crate::ledger::{JobLedger, JobResult};
use crate::protocol::AwsError;

/// All jobs. The store is behind one lock, so exactly one of many concurrent acknowledges finds the
/// job `Dispatched`.
#[derive(Debug, Default)]
pub(crate) struct JobStore {
    jobs: BTreeMap<String, JobEntry>,
    /// The number of jobs that were ever added.
    added: u64,
    pub(crate) artifact_keys: ArtifactKeys,
}

/// A job, its history, and the times at which its status changed.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub(crate) job: Job,
    pub(crate) ledger: JobLedger,
    pub(crate) dispatched_at: OffsetDateTime,
    acknowledged_at: OffsetDateTime,
    /// The position in the order in which jobs were added.
    position: u64,
}

impl JobStore {
    /// Adds a job. A job that starts `Dispatched` or `InProgress` changed its status at this
    /// moment.
    pub(crate) fn add(&mut self, job: Job, now: OffsetDateTime) {
        self.added += 1;
        let entry = JobEntry {
            ledger: JobLedger::default(),
            dispatched_at: now,
            acknowledged_at: now,
            position: self.added,
            job,
        };
        self.jobs.insert(entry.job.id.clone(), entry);
    }

    /// All jobs in the order of their ids.
    pub(crate) fn entries(&mut self, now: OffsetDateTime) -> impl Iterator<Item = &JobEntry> {
        self.jobs.values_mut().map(move |entry| {
            entry.time_out(now);
            &*entry
        })
    }

    /// The job with this id.
    pub(crate) fn get(&mut self, id: &str, now: OffsetDateTime) -> Option<&JobEntry> {
        let entry = self.jobs.get_mut(id)?;
        entry.time_out(now);
        Some(entry)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    /// Whether a job has an artifact in this bucket.
    pub(crate) fn has_bucket(&self, name: &str) -> bool {
        self.jobs.values().any(|JobEntry { job, .. }| {
            job.input_artifacts
                .iter()
                .chain(&job.output_artifacts)
                .any(|artifact| artifact.bucket_name == name)
        })
    }

    pub(crate) fn ledger(&self, id: &str) -> JobLedger {
        self.jobs.get(id).map(|entry| entry.ledger.clone()).unwrap_or_default()
    }

    /// The jobs of an action type, in the order in which they were added.
    pub(crate) fn of_action_type(&mut self, action_type: &ActionType) -> Vec<&mut JobEntry> {
        let entries = self.jobs.values_mut().filter(|entry| entry.job.action_type == *action_type);
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.position);
        entries
    }

    /// The job with this id, if the token is the job's.
    pub(crate) fn authorize(
        &mut self,
        id: &str,
        client_token: &str,
        now: OffsetDateTime,
    ) -> Result<&mut JobEntry, AwsError> {
        let Some(entry) = self.jobs.get_mut(id) else {
            let text = "The job was specified in an invalid format or cannot be found.";
            return Err(AwsError::new("JobNotFoundException", text));
        };
        if entry.job.client_token != client_token {
            let text = "The client token was specified in an invalid format.";
            return Err(AwsError::new("InvalidClientTokenException", text));
        }
        entry.time_out(now);
        Ok(entry)
    }
}

impl JobEntry {
    pub(crate) fn is(&self, status: &str) -> bool {
        self.job.status == status
    }

    pub(crate) fn start(&mut self, now: OffsetDateTime) {
        status::IN_PROGRESS.clone_into(&mut self.job.status);
        self.acknowledged_at = now;
    }

    /// Ends the job with a result. Only a job that is in progress can end.
    pub(crate) fn end(&mut self, status: &str, result: JobResult) -> Result<(), AwsError> {
        if !self.is(status::IN_PROGRESS) {
            let text = "The job state was specified in an invalid format.";
            return Err(AwsError::new("InvalidJobStateException", text));
        }
        status.clone_into(&mut self.job.status);
        self.ledger.results.push(result);
        Ok(())
    }

    fn time_out(&mut self, now: OffsetDateTime) {
        let Some(seconds) = self.job.timeout_seconds else { return };
        if self.is(status::IN_PROGRESS) && self.acknowledged_at + Duration::seconds(seconds.into()) <= now {
            status::TIMED_OUT.clone_into(&mut self.job.status);
        }
    }
}

/// A job id in AWS's form.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// A nonce that no job has yet.
pub(crate) fn new_nonce() -> String {
    format!("fake-nonce-{}", Uuid::new_v4().simple())
}
