//! The long poll: calls that wait for jobs.

mod ends;
mod failures;
mod jobs;
mod limits;

use std::time::Duration;

use codepipeline_gateway::poller;
use codepipeline_gateway::proto::{PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse};
use codepipeline_simulator::{AnswerFault, Fault, Job, OperationName};
use tokio::task::JoinHandle;
use tonic::Request;
use tonic::transport::Channel;

use crate::harness::{Answer, NONCE, PATIENCE, Settings, TOKEN, World, poll_request, unary, within};

const POLL: OperationName = OperationName::PollForThirdPartyJobs;
/// The gauge of the waiting calls.
const WAITERS: &str = "codepipeline_gateway_poll_waiters";
/// Far longer than any test, so that a call ends for another reason.
const LONG: Duration = Duration::from_secs(30);

type Polled = Answer<PollForThirdPartyJobsResponse>;

/// A waiting call. It is canceled when it is dropped.
struct Waiting(JoinHandle<Polled>);

impl Waiting {
    /// Sends a call, and returns when it waits as the last one in its queue.
    async fn start(world: &World, batch: i32) -> Self {
        let before = world.gateway.metric(WAITERS).await;
        let waiting = Self::send(world.gateway.channel.clone(), batch, LONG);
        world.gateway.until_metric(WAITERS, |waiters| waiters > before).await;
        waiting
    }

    fn send(channel: Channel, batch: i32, wait: Duration) -> Self {
        let mut request = Request::new(waiting_request(batch, wait));
        request.set_timeout(2 * LONG);
        Self(tokio::spawn(unary(channel, request)))
    }

    async fn answer(mut self) -> Polled {
        within("the end of a waiting call", PATIENCE, &mut self.0).await.unwrap()
    }

    /// The ids of the jobs that the call returned.
    async fn jobs(self) -> Vec<String> {
        let answer = self.answer().await;
        answer.ok().jobs.iter().map(|job| job.job_id.clone()).collect()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn waiting_request(batch: i32, wait: Duration) -> PollForThirdPartyJobsRequest {
    let wait = Some(wait.try_into().unwrap());
    PollForThirdPartyJobsRequest { max_batch_size: Some(batch), wait, ..poll_request() }
}

/// A world whose gateway polls at this interval.
async fn world(interval: Duration) -> World {
    changed_world(interval, |_| {}).await
}

async fn changed_world(interval: Duration, change: impl FnOnce(&mut Settings)) -> World {
    let world = World::changed(|settings| {
        settings.poll = poller::Settings { interval, ..settings.poll };
        change(settings);
    })
    .await;
    // Its action type exists.
    world.simulator.add_job(Job::new("running", NONCE, TOKEN).with_status("InProgress"));
    world
}

/// The response of AWS with these jobs.
fn jobs_of_aws(ids: &[&str]) -> Fault {
    let jobs: Vec<String> =
        ids.iter().map(|id| format!(r#"{{"jobId":"{id}","clientId":"client-1"}}"#)).collect();
    let body = format!(r#"{{"jobs":[{}]}}"#, jobs.join(","));
    Fault::Answer(AnswerFault { body, ..AnswerFault::default() })
}

/// The value of the counter of polled jobs.
async fn polled_jobs(world: &World, result: &str) -> f64 {
    world.gateway.metric(&format!("codepipeline_gateway_polled_jobs_total{{result=\"{result}\"}}")).await
}
