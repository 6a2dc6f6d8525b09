//! The state that the handle, the control API, and every connection share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{AccessKey, Config, SecondAcknowledge};
use crate::job_store::JobStore;
use crate::jobs::Job;
use crate::plan::Plan;
use crate::records::Records;

/// State shared by the handle and every connection. Code that needs two locks takes the job store's
/// first.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) records: Arc<Records>,
    pub(crate) region: Option<String>,
    keys: RwLock<Vec<AccessKey>>,
    jobs: Mutex<JobStore>,
    plan: Mutex<Plan>,
    pub(crate) stop_token: CancellationToken,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            clock: Clock::default(),
            records: Arc::new(Records::new()),
            region: config.region,
            keys: RwLock::new(config.keys),
            jobs: Mutex::new(JobStore::new(config.second_acknowledge)),
            plan: Mutex::default(),
            stop_token: CancellationToken::new(),
        }
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, JobStore> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn key(&self, access_key_id: &str) -> Option<AccessKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.access_key_id == access_key_id).cloned()
    }

    pub(crate) fn set_keys(&self, keys: Vec<AccessKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn add_job(&self, mut job: Job) {
        let mut jobs = self.jobs();
        self.plan().replace_job(&job.id, std::mem::take(&mut job.faults));
        jobs.add(job);
    }

    /// All jobs in the order of their ids, each with its remaining faults.
    pub(crate) fn all_jobs(&self) -> Vec<Job> {
        let jobs = self.jobs();
        let plan = self.plan();
        jobs.jobs().map(|job| Job { faults: plan.of_job(&job.id), ..job.clone() }).collect()
    }

    pub(crate) fn set_second_acknowledge(&self, second_acknowledge: SecondAcknowledge) {
        self.jobs().second_acknowledge = second_acknowledge;
    }

    pub(crate) fn stop(&self) {
        self.records.stopping();
        self.stop_token.cancel();
    }
}
