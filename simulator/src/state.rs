//! The state that the handle, the control API, and every connection share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio_util::sync::CancellationToken;

use crate::bucket_records::BucketRecords;
use crate::clock::Clock;
use crate::config::{AccessKey, Config};
use crate::job_store::JobStore;
use crate::jobs::Job;
use crate::ledger::JobLedger;
use crate::object_store::ObjectStore;
use crate::plan::Plan;
use crate::records::Records;

/// State shared by the handle and every connection. Code that needs several locks takes them in the
/// order of the fields: config, jobs, plan, objects.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) records: Arc<Records>,
    pub(crate) bucket_records: BucketRecords,
    pub(crate) stop_token: CancellationToken,
    config: RwLock<Config>,
    jobs: Mutex<JobStore>,
    plan: Mutex<Plan>,
    objects: Mutex<ObjectStore>,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            clock: Clock::default(),
            records: Arc::new(Records::new()),
            bucket_records: BucketRecords::default(),
            stop_token: CancellationToken::new(),
            config: RwLock::new(config),
            jobs: Mutex::default(),
            plan: Mutex::default(),
            objects: Mutex::default(),
        }
    }

    pub(crate) fn config(&self) -> RwLockReadGuard<'_, Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn config_mut(&self) -> RwLockWriteGuard<'_, Config> {
        self.config.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, JobStore> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, ObjectStore> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_job(&self, mut job: Job) {
        let mut jobs = self.jobs();
        self.plan().replace_job(&job.id, std::mem::take(&mut job.faults));
        jobs.add(job, self.clock.now());
    }

    /// A job with its remaining faults.
    pub(crate) fn job(&self, id: &str) -> Option<Job> {
        let mut jobs = self.jobs();
        let entry = jobs.get(id, self.clock.now())?;
        Some(Job { faults: self.plan().of_job(id), ..entry.job.clone() })
    }

    /// All jobs in the order of their ids, each with its remaining faults.
    pub(crate) fn all_jobs(&self) -> Vec<Job> {
        let mut jobs = self.jobs();
        let plan = self.plan();
        let with_faults = |job: &Job| Job { faults: plan.of_job(&job.id), ..job.clone() };
        jobs.entries(self.clock.now()).map(|entry| with_faults(&entry.job)).collect()
    }

    /// The ids of all jobs, each with its history.
    pub(crate) fn ledgers(&self) -> Vec<(String, JobLedger)> {
        let mut jobs = self.jobs();
        let entries = jobs.entries(self.clock.now());
        entries.map(|entry| (entry.job.id.clone(), entry.ledger.clone())).collect()
    }

    pub(crate) fn artifact_key(&self, access_key_id: &str) -> Option<AccessKey> {
        self.jobs().artifact_keys.find(access_key_id, self.clock.now()).map(|issued| issued.key)
    }

    pub(crate) fn stop(&self) {
        self.records.stopping();
        self.stop_token.cancel();
    }
}
