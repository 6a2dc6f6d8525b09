//! A caller of the fault test. Half of its work is single acknowledges, and half is whole jobs.

use std::sync::Arc;
use std::time::Duration;

use codepipeline_gateway::error::{Outcome, Reason};
use codepipeline_gateway::proto::{
    AcknowledgeThirdPartyJobRequest, GetThirdPartyJobDetailsResponse, PollForThirdPartyJobsRequest,
};
use codepipeline_simulator::{ActionType, Job, OperationName};
use fastrand::Rng;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::chaos::Chaos;
use super::ledger::{End, Entry, Values};
use super::trouble;
use crate::harness::{
    Client, JobRequest, NONCE, PATIENCE, TOKEN, details_request, failure_by, poll_for, request, success_by,
};

/// A secret value in the configuration of each job.
pub const CONFIGURATION: &str = "configuration-5c02e-do-not-show";
/// The continuation token of some successes.
pub const CONTINUATION: &str = "continuation-e8a41-do-not-show";

/// The number of callers that poll for the same jobs.
const SHARED: usize = 3;

/// A caller, and the calls that it made.
pub struct Caller {
    chaos: Arc<Chaos>,
    number: usize,
    rng: Rng,
    entries: Vec<Entry>,
}

impl Caller {
    pub fn new(chaos: Arc<Chaos>, number: usize, rng: Rng) -> Self {
        Self { chaos, number, rng, entries: Vec::new() }
    }

    /// Works until the end of the test.
    pub async fn work(mut self, end: CancellationToken) -> Vec<Entry> {
        for n in 0.. {
            if end.is_cancelled() {
                break;
            }
            if self.rng.bool() {
                self.acknowledge_only(&format!("job-{}-{n}", self.number)).await;
            } else {
                self.whole_job(&format!("whole-{}-{n}", self.number)).await;
            }
        }
        self.entries
    }

    /// Acknowledges a new job, and retries what can be retried.
    async fn acknowledge_only(&mut self, id: &str) {
        let faults = trouble::faults(&mut self.rng);
        let job = faults.into_iter().fold(Job::new(id, NONCE, TOKEN), |job, fault| job.with_fault(1, fault));
        self.chaos.simulator.add_job(job);
        let values = if self.rng.u8(..12) == 0 { Values::Wrong } else { Values::Correct };
        for _ in 0..3 {
            let mut message = request(id);
            if values == Values::Wrong {
                match self.rng.u8(..4) {
                    0 => message.nonce = "wrong-nonce".into(),
                    1 => message.client_token = "wrong-token".into(),
                    2 => message.job_id = "no-such-job".into(),
                    _ => message.client_token = String::new(),
                }
            }
            let Err(failed) = self.call(id, values, message).await else { return };
            let unknown = matches!(failed, End::Rejected(_, Outcome::Unknown, _));
            let is_safe = self.pauses_before_retry::<AcknowledgeThirdPartyJobRequest>(&failed).await;
            let again = is_safe || unknown && self.rng.bool();
            if !again {
                return;
            }
        }
    }

    /// Adds a job, and polls until some job comes. Another caller can get the new job.
    async fn whole_job(&mut self, id: &str) {
        let action_type = ActionType::third_party("Test", format!("group-{}", self.number / SHARED), "1");
        let mut job = Job::queued(id, NONCE, TOKEN)
            .with_action_type(action_type.clone())
            .with_configuration("JobId", id)
            .with_configuration("Secret", CONFIGURATION);
        for operation in OperationName::ALL {
            for fault in trouble::faults(&mut self.rng) {
                if operation == OperationName::PollForThirdPartyJobs {
                    self.chaos.simulator.fault_operation(operation, 1, fault);
                } else {
                    job = job.with_operation_fault(operation, 1, fault);
                }
            }
        }
        self.chaos.simulator.add_job(job);
        for _ in 0..4 {
            // Half of the polls are long polls, which share one poller.
            let wait = Duration::from_millis(self.rng.u64(1..1500));
            let wait = self.rng.bool().then(|| wait.try_into().expect("a short time"));
            let poll =
                PollForThirdPartyJobsRequest { max_batch_size: Some(1), wait, ..poll_for(&action_type) };
            let polled = self.call("", Values::Correct, poll).await;
            self.entries.last_mut().expect("the poll").waited = wait.is_some();
            match polled {
                Ok(polled) => {
                    if let Some(job) = polled.jobs.first() {
                        self.entries.last_mut().expect("the poll").job.clone_from(&job.job_id);
                        return self.process(&job.job_id).await;
                    }
                }
                Err(_) => sleep(Duration::from_millis(self.rng.u64(5..60))).await,
            }
        }
    }

    /// Takes a job from its details to its result. Sometimes the worker restarts and forgets it.
    async fn process(&mut self, id: &str) {
        let Some(read) = self.details(id).await else { return };
        let details = read.job_details.expect("details");
        let data = details.data.expect("data");
        assert_eq!((details.id.as_str(), data.configuration["Secret"].as_str()), (id, CONFIGURATION));
        if self.rng.u8(..12) == 0 || !self.acknowledge(id, details.nonce).await || self.rng.u8(..12) == 0 {
            return;
        }
        let worker = self.number.to_string();
        if self.rng.u8(..12) == 0 {
            let mut wrong = success_by(&worker, id);
            wrong.client_token = "wrong-token".into();
            let _ = self.call(id, Values::Wrong, wrong).await;
        }
        if self.rng.u8(..4) == 0 {
            self.put(id, failure_by(&worker, id)).await;
        } else {
            let mut success = success_by(&worker, id);
            let continues = data.continuation_token.is_empty() && self.rng.u8(..4) == 0;
            success.continuation_token = continues.then(|| CONTINUATION.to_owned());
            self.put(id, success).await;
        }
    }

    async fn details(&mut self, id: &str) -> Option<GetThirdPartyJobDetailsResponse> {
        for _ in 0..3 {
            match self.call(id, Values::Correct, details_request(id)).await {
                Ok(details) => return Some(details),
                Err(End::Rejected(_, Outcome::Rejected, _)) => return None,
                Err(_) => {}
            }
        }
        None
    }

    /// Whether the job is the caller's. After an unknown outcome, it makes one deliberate retry.
    async fn acknowledge(&mut self, id: &str, nonce: String) -> bool {
        let message =
            AcknowledgeThirdPartyJobRequest { job_id: id.into(), nonce, client_token: TOKEN.into() };
        let mut was_unknown = false;
        for _ in 0..4 {
            let Err(failed) = self.call(id, Values::Correct, message.clone()).await else { return true };
            if was_unknown && failed.is_for(Reason::InvalidNonce) {
                return true;
            }
            let again = failed.is_unknown() && !was_unknown;
            was_unknown |= failed.is_unknown();
            if !again && !self.pauses_before_retry::<AcknowledgeThirdPartyJobRequest>(&failed).await {
                return false;
            }
        }
        false
    }

    /// Reports a result. After an unknown outcome, it repeats the same call.
    async fn put<Q: JobRequest>(&mut self, id: &str, message: Q) {
        for _ in 0..4 {
            let Err(failed) = self.call(id, Values::Correct, message.clone()).await else { return };
            if !failed.is_unknown() && !self.pauses_before_retry::<Q>(&failed).await {
                return;
            }
        }
    }

    /// Pauses, if waiting helps. The gateway's own delay is longer than such a test.
    async fn pauses_before_retry<Q: JobRequest>(&mut self, failed: &End) -> bool {
        let retries = match failed {
            End::Rejected(reason, ..) => reason.has_retry_info(Q::METHOD),
            _ => false,
        };
        if retries {
            sleep(Duration::from_millis(self.rng.u64(5..60))).await;
        }
        retries
    }

    /// Makes one call and waits for its end.
    async fn call<Q: JobRequest>(
        &mut self,
        job: &str,
        values: Values,
        message: Q,
    ) -> Result<Q::Response, End> {
        let request_id = format!("chaos-{:016x}", self.rng.u64(..));
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
        let deadline = *self.rng.choice(&[None, Some(200), Some(700), Some(1500), Some(10_000)]).unwrap();
        if let Some(millis) = deadline {
            request.set_timeout(Duration::from_millis(millis));
        }
        let cancels = self.rng.u8(..20) == 0;
        let patience = if cancels { Duration::from_millis(self.rng.u64(..300)) } else { PATIENCE };
        let result =
            match timeout(patience, Q::send(Client::new(self.chaos.channel(self.number)), request)).await {
                Ok(Ok(response)) => Ok(response.into_inner()),
                Ok(Err(status)) => Err(End::of(&status, Q::METHOD, deadline.is_some())),
                Err(_) => {
                    assert!(cancels, "no response to {request_id}");
                    Err(End::Canceled)
                }
            };
        let end = result.as_ref().err().cloned().unwrap_or(End::Ok);
        self.entries.push(Entry {
            request_id,
            method: Q::METHOD,
            caller: self.number,
            job: job.to_owned(),
            values,
            end,
            waited: false,
        });
        result
    }
}
