//! The waiters test: a thousand calls that wait for jobs on one gateway.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::proto::{PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse};
use codepipeline_simulator::{Fault, Job, OperationName, Simulator};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Request;
use tonic::transport::Channel;

use super::vitals::{Metrics, Vitals};
use crate::harness::process::serve_command;
use crate::harness::{
    Answer, NONCE, PATIENCE, Program, TOKEN, acknowledge, channel, poll_request, request, simulator_with,
    unary, until, until_serving, within,
};

const POLL: OperationName = OperationName::PollForThirdPartyJobs;
/// Longer than any step.
const WAIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(1);
/// The gateway makes an interval at most this much longer.
const JITTER: f64 = 1.1;
/// The time that a busy machine can add.
const SLACK: Duration = Duration::from_millis(500);
/// The memory of a waiting call, in KiB. A debug build's futures are larger than a release's.
const WAITER_MEMORY: f64 = if cfg!(debug_assertions) { 16.0 } else { 12.0 };

type Waiter = JoinHandle<Answer<PollForThirdPartyJobsResponse>>;

struct Waiters {
    simulator: Simulator,
    program: Program,
    admin: SocketAddr,
    channels: Vec<Channel>,
}

impl Waiters {
    async fn start() -> Self {
        let simulator = simulator_with(&[]).await;
        // Its action type exists.
        simulator.add_job(Job::new("running", NONCE, TOKEN).with_status("InProgress"));
        let args = ["--poll-interval=1s", "--shutdown-delay=2s", "--log-format=json"];
        let mut program = serve_command(&args).with_keys().for_simulator(&simulator).start();
        let (grpc, admin) = program.addresses().await;
        until_serving(grpc).await;
        let channels = (0..10).map(|_| channel(grpc)).collect();
        Self { simulator, program, admin, channels }
    }

    async fn waiting(&self) -> f64 {
        Metrics::of(self.admin).await.value("codepipeline_gateway_poll_waiters")
    }

    async fn polled(&self, result: &str) -> f64 {
        let label = format!("result=\"{result}\"");
        Metrics::of(self.admin).await.sum("codepipeline_gateway_polled_jobs_total", &[&label])
    }

    async fn until_waiting(&self, count: usize) {
        until("waiting calls", PATIENCE, async || self.waiting().await, |n| *n == count as f64).await;
    }

    /// Starts calls that wait for one job each, and returns when they wait.
    async fn wait(&self, count: usize) -> Vec<Waiter> {
        let before = self.waiting().await;
        let waiters = self.send(count, WAIT);
        let all = before + count as f64;
        until("waiting calls", PATIENCE, async || self.waiting().await, |n| *n >= all).await;
        waiters
    }

    /// Starts calls that wait this long for one job each.
    fn send(&self, count: usize, wait: Duration) -> Vec<Waiter> {
        let waiters = (0..count).map(|n| {
            let wait = Some(wait.try_into().unwrap());
            let request = PollForThirdPartyJobsRequest { wait, max_batch_size: Some(1), ..poll_request() };
            let mut request = Request::new(request);
            request.set_timeout(2 * WAIT);
            tokio::spawn(unary(self.channels[n % self.channels.len()].clone(), request))
        });
        waiters.collect()
    }

    fn add_jobs(&self, prefix: &str, count: usize) {
        for n in 0..count {
            self.simulator.add_job(Job::queued(format!("{prefix}-{n}"), NONCE, TOKEN));
        }
    }

    fn polls(&self) -> usize {
        let requests = self.simulator.requests();
        requests.iter().filter(|request| request.operation == Some(POLL)).count()
    }
}

/// The jobs that these calls returned. The callers acknowledge them.
async fn jobs(run: &Waiters, waiters: Vec<Waiter>) -> Vec<String> {
    let mut jobs = Vec::new();
    for waiter in waiters {
        // Some tests kill calls.
        let Ok(answer) = within("the end of a waiting call", PATIENCE, waiter).await else { continue };
        for job in &answer.ok().jobs {
            acknowledge(run.channels[0].clone(), request(&job.job_id)).await.ok();
            jobs.push(job.job_id.clone());
        }
    }
    jobs
}

fn finished(waiters: &[Waiter]) -> usize {
    waiters.iter().filter(|waiter| waiter.is_finished()).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just waiters"]
async fn waiters() {
    let run = Waiters::start().await;
    // These calls open the connections.
    join_all(run.channels.iter().map(|channel| acknowledge(channel.clone(), request("no-job")))).await;
    let before = Vitals::of(run.program.id());

    // Two callers: the first has 900 calls, the second 10. Then the first has 90 more.
    let first = run.wait(900).await;
    let second = run.wait(10).await;
    let last = run.wait(90).await;
    let after = Vitals::of(run.program.id());
    let each = (after.memory - before.memory) as f64 / 1000.0;
    println!("1,000 waiting calls: {each:.1} KiB each; {after}");
    assert!(each <= WAITER_MEMORY, "{each:.1} KiB");

    one_poll_per_interval(&run).await;
    order_of_arrival(&run, first, second, last).await;
    one_job(&run).await;
    killed_waiters(&run).await;
    goodput(&run).await;
    shutdown(run).await;
}

async fn one_poll_per_interval(run: &Waiters) {
    let (begun, polls) = (Instant::now(), run.polls());
    let more = async || run.polls() - polls;
    let polled = until("polls", PATIENCE, more, |polls| *polls >= 5).await;
    let time = begun.elapsed();
    println!("{polled} polls in {time:.1?}, every {INTERVAL:?}");
    assert!(time >= INTERVAL.mul_f64((polled - 1) as f64), "{polled} polls in {time:?}");
    assert!(time <= INTERVAL.mul_f64(JITTER * polled as f64) + SLACK * 5, "{polled} polls in {time:?}");
}

/// The calls arrived in this order, and there are jobs for the first ones only.
async fn order_of_arrival(run: &Waiters, first: Vec<Waiter>, second: Vec<Waiter>, last: Vec<Waiter>) {
    run.add_jobs("ordered", 905);
    until("the jobs", PATIENCE, async || finished(&second), |n| *n == 5).await;
    assert_eq!((finished(&second), finished(&last)), (5, 0));
    let mut got = jobs(run, first).await;
    println!("900 and 10 waiting calls: the 10 got 5 of 905 jobs");
    got.extend(jobs(run, second.into_iter().filter(Waiter::is_finished).collect()).await);
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), 905, "each job once");
    for waiter in last {
        waiter.abort();
    }
    run.until_waiting(0).await;
}

async fn one_job(run: &Waiters) {
    let waiter = run.wait(1).await;
    let begun = Instant::now();
    run.add_jobs("single", 1);
    assert_eq!(jobs(run, waiter).await.len(), 1);
    let took = begun.elapsed();
    println!("a job reached a waiting call after {took:.1?}");
    assert!(took <= INTERVAL.mul_f64(JITTER) + SLACK, "{took:?}");
}

/// Kills calls in the middle of polls. Callers acknowledge each job that they get.
async fn killed_waiters(run: &Waiters) {
    const JOBS: usize = 200;
    let (mut seen, begun) = (HashMap::<String, usize>::new(), Instant::now());
    run.add_jobs("killed", JOBS);
    while seen.len() < JOBS {
        assert!(begun.elapsed() < PATIENCE, "only {} of {JOBS} jobs were delivered", seen.len());
        run.simulator.fault_operation(POLL, 1, Fault::delay(300));
        let polls = run.polls();
        let waiters = run.send(100, 2 * INTERVAL);
        until("a poll", PATIENCE, async || run.polls(), |now| *now > polls).await;
        for waiter in waiters.iter().skip(1).step_by(2) {
            waiter.abort();
        }
        for job in jobs(run, waiters).await {
            *seen.entry(job).or_default() += 1;
        }
        // CodePipeline hands out the jobs again that no worker acknowledged.
        run.simulator.advance_clock(Duration::from_secs(60));
    }
    let twice = seen.values().filter(|count| **count > 1).count();
    let undelivered = run.polled("undelivered").await;
    println!("killed calls: {JOBS} jobs delivered, {twice} twice, {undelivered} for no call any more");
    assert_eq!(twice, 0);
    run.until_waiting(0).await;
}

/// Acknowledgements per second.
async fn rate(run: &Waiters, round: usize) -> f64 {
    const CALLS: usize = 1000;
    let ids: Vec<String> = (0..CALLS).map(|n| format!("goodput-{round}-{n}")).collect();
    for id in &ids {
        run.simulator.add_job(Job::new(id, NONCE, TOKEN));
    }
    let begun = Instant::now();
    let worker = async |part: &[String]| {
        for id in part {
            acknowledge(run.channels[id.len() % run.channels.len()].clone(), request(id)).await.ok();
        }
    };
    join_all(ids.chunks(CALLS / 16).map(worker)).await;
    CALLS as f64 / begun.elapsed().as_secs_f64()
}

/// Acknowledgements are as fast with waiting calls at their limit as without.
async fn goodput(run: &Waiters) {
    let mut ratio: f64 = 0.0;
    for round in 0..5 {
        let alone = rate(run, 2 * round).await;
        let waiters = run.wait(1024).await;
        let beside = rate(run, 2 * round + 1).await;
        println!("acknowledgements: {alone:.0}/s alone, {beside:.0}/s beside 1,024 waiting calls");
        waiters.iter().for_each(Waiter::abort);
        run.until_waiting(0).await;
        ratio = ratio.max(beside / alone);
        if ratio >= 0.9 {
            return;
        }
    }
    panic!("the waiting calls take {:.0} % of the rate", 100.0 * (1.0 - ratio));
}

async fn shutdown(run: Waiters) {
    let waiters = run.wait(1024).await;
    let begun = Instant::now();
    run.program.signal("TERM");
    assert!(jobs(&run, waiters).await.is_empty());
    println!("1,024 waiting calls ended {:.1?} after SIGTERM", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(1) + SLACK, "they end at the signal");
    drop(run.channels);
    assert_eq!(run.program.end().await.code, Some(0));
}
