//! A job worker that follows the rules of the API after each outcome.

use std::time::Duration;

use codepipeline_gateway::methods::{ACKNOWLEDGE, FAILURE, Method, SUCCESS};
use codepipeline_gateway::proto::{AcknowledgeThirdPartyJobRequest, JobStatus, PollForThirdPartyJobsRequest};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{
    Answer, JobRequest, TOKEN, details_request, failure_by, poll_request, success_by, unary,
};

/// The time between two polls, and before a retry. It is shorter than the delay in `RetryInfo`, so
/// that the test is short.
const PAUSE: Duration = Duration::from_millis(20);

/// The maximum number of calls with one request. No fault lasts as long.
const MAX_CALLS: usize = 8;

/// The result that a worker reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Succeed,
    Fail,
}

/// A worker's belief about its own result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It didn't end the job.
    NotEnded,
    /// It ended the job: the call returned OK.
    Ended,
    /// It probably ended the job: `INVALID_JOB_STATE` after an unknown outcome.
    ProbablyEnded,
}

/// A response as a worker understands it.
#[derive(Debug)]
enum Told<R> {
    Ok(R),
    /// The call did nothing, for this reason.
    Rejected(String),
    Unknown,
}

impl<R: std::fmt::Debug> Told<R> {
    /// Returns `None` if nothing happened, or if a second call does no harm: retry.
    fn of(answer: Answer<R>, method: &Method) -> Option<Self> {
        match answer.code() {
            Code::Ok => Some(Self::Ok(answer.result.unwrap())),
            Code::Unavailable | Code::ResourceExhausted => None,
            // A second poll and a second read do no harm.
            _ if answer.outcome() == "unknown" => is_risky(method).then_some(Self::Unknown),
            _ => Some(Self::Rejected(answer.reason())),
        }
    }
}

/// Whether a second call can have another effect than the first.
fn is_risky(method: &Method) -> bool {
    [&ACKNOWLEDGE, &SUCCESS, &FAILURE].contains(&method)
}

/// A worker, and all the responses that it got.
#[derive(Debug)]
pub struct Worker {
    pub name: &'static str,
    pub plan: Plan,
    channel: Channel,
    pub belief: Belief,
    /// How many acknowledges returned OK.
    pub acknowledged: usize,
    /// The operations of the calls that had an unknown outcome.
    pub unknown: Vec<&'static str>,
    /// All calls, for the message of a failed test.
    calls: Vec<String>,
}

impl Worker {
    pub fn new(name: &'static str, plan: Plan, channel: Channel) -> Self {
        let (belief, unknown, calls) = (Belief::NotEnded, Vec::new(), Vec::new());
        Self { name, plan, channel, belief, acknowledged: 0, unknown, calls }
    }

    /// Works until it believes that it ended the job, or until the job has ended.
    pub async fn work(mut self, ended: &CancellationToken) -> Self {
        while self.belief == Belief::NotEnded && !ended.is_cancelled() {
            match self.poll().await {
                Some(id) => self.process(&id).await,
                // The time between two polls ends early with the job.
                None => drop(timeout(PAUSE, ended.cancelled()).await),
            }
        }
        self
    }

    async fn poll(&mut self) -> Option<String> {
        let request = PollForThirdPartyJobsRequest { max_batch_size: Some(1), ..poll_request() };
        let Told::Ok(polled) = self.call(&request).await else { return None };
        polled.jobs.into_iter().next().map(|job| job.job_id)
    }

    async fn process(&mut self, id: &str) {
        let Told::Ok(read) = self.call(&details_request(id)).await else { return };
        let details = read.job_details.expect("details");
        assert_eq!(details.id, id);
        if self.acknowledge(id, details.nonce).await {
            self.belief = match self.plan {
                Plan::Succeed => self.put(success_by(self.name, id)).await,
                Plan::Fail => self.put(failure_by(self.name, id)).await,
            };
        }
    }

    /// Whether the job is the worker's. After an unknown outcome it makes one deliberate retry.
    async fn acknowledge(&mut self, id: &str, nonce: String) -> bool {
        let (job_id, client_token) = (id.to_owned(), TOKEN.to_owned());
        let request = AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token };
        for first in [true, false] {
            match self.call(&request).await {
                Told::Ok(response) => {
                    assert_eq!(response.status(), JobStatus::InProgress);
                    self.acknowledged += 1;
                    return true;
                }
                // The unknown call probably acknowledged the job.
                Told::Rejected(reason) => return !first && reason == "INVALID_NONCE",
                Told::Unknown => {}
            }
        }
        false
    }

    /// Reports the result. After an unknown outcome it repeats the same call.
    async fn put<Q: JobRequest>(&mut self, request: Q) -> Belief {
        for call in 0..MAX_CALLS {
            match self.call(&request).await {
                Told::Ok(_) => return Belief::Ended,
                Told::Rejected(reason) => {
                    assert_eq!(reason, "INVALID_JOB_STATE", "{self:#?}");
                    return if call == 0 { Belief::NotEnded } else { Belief::ProbablyEnded };
                }
                Told::Unknown => {}
            }
        }
        panic!("no end after {MAX_CALLS} calls: {self:#?}");
    }

    /// Makes a call, and retries it as long as a retry is safe.
    async fn call<Q: JobRequest>(&mut self, request: &Q) -> Told<Q::Response> {
        for _ in 0..MAX_CALLS {
            let answer = unary(self.channel.clone(), request.clone()).await;
            let reason = answer.result.as_ref().err().map(|_| (answer.code(), answer.reason()));
            self.calls.push(format!("{}: {reason:?}", Q::METHOD.short_name));
            if let Some(told) = Told::of(answer, Q::METHOD) {
                if matches!(told, Told::Unknown) {
                    self.unknown.push(Q::METHOD.name);
                }
                return told;
            }
            sleep(PAUSE).await;
        }
        panic!("no end after {MAX_CALLS} retries: {self:#?}");
    }
}
