//! The overload test: calls over the limit cost a rejection each, and nothing else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codepipeline_simulator::{Fault, Job, Simulator};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tonic::Code;
use tonic::transport::Channel;

use super::latency::Latency;
use super::vitals::{Metrics, Vitals};
use crate::harness::process::serve_command;
use crate::harness::{
    NONCE, PATIENCE, Program, TOKEN, acknowledge, channel, check_health, request, simulator_with, until,
    until_serving,
};

const PERMITS: u32 = 16;
/// The time of a call at AWS. It is so long that the limit of calls in flight determines the rate
/// on slow machines too.
const AWS_TIME: Duration = Duration::from_secs(1);
/// The duration of each rate, and the start of the measurement. By then the calls end one after the
/// other.
const ROUND: Duration = Duration::from_secs(9);
const COUNTS_FROM: Duration = Duration::from_secs(2);
/// One of this many rounds must be good, because a busy machine distorts a round.
const ROUNDS: usize = 5;
/// The memory, in KiB, that the gateway can have at the end in addition to the memory at the start.
const MEMORY_SLACK: u64 = 24 * 1024;

struct Overload {
    simulator: Simulator,
    channels: Vec<Channel>,
    next_job: AtomicUsize,
}

/// The result of a call.
struct Completion {
    completed: bool,
    took: Duration,
    at: Instant,
}

/// The results of the calls of one round.
#[derive(Debug, Default)]
struct Round {
    completed: Latency,
    rejected: Latency,
    /// Health checks in the same round. They are never rejected.
    health: Latency,
}

impl Round {
    fn of(begun: Instant, calls: Vec<Completion>, health: Latency) -> Self {
        let mut round = Self { health, ..Self::default() };
        for call in calls.into_iter().filter(|call| (COUNTS_FROM..ROUND).contains(&(call.at - begun))) {
            if call.completed { &mut round.completed } else { &mut round.rejected }.add(call.took);
        }
        round
    }

    /// Completed calls per second.
    fn rate(&self) -> f64 {
        self.completed.count() as f64 / (ROUND - COUNTS_FROM).as_secs_f64()
    }

    fn offered(&self) -> f64 {
        self.rate() + self.rejected.count() as f64 / (ROUND - COUNTS_FROM).as_secs_f64()
    }
}

impl Overload {
    /// Makes a call about a new job. It must be completed or rejected.
    async fn call(&self) -> Completion {
        let n = self.next_job.fetch_add(1, Ordering::Relaxed);
        let id = format!("job-{n}");
        self.simulator.add_job(Job::new(&id, NONCE, TOKEN));
        let channel = self.channels[n % self.channels.len()].clone();
        let begun = Instant::now();
        let answer = acknowledge(channel, request(&id)).await;
        let (at, took) = (Instant::now(), begun.elapsed());
        if answer.result.is_err() {
            let seen = (answer.code(), answer.reason(), answer.outcome());
            assert_eq!(seen, (Code::ResourceExhausted, "GATEWAY_OVERLOADED".into(), "not_sent".into()));
            assert!(answer.details().retry_info().is_some());
        }
        Completion { completed: answer.result.is_ok(), took, at }
    }

    /// The maximum rate: as many callers as permits, each with its next call after each response.
    async fn closed(&self) -> Round {
        let begun = Instant::now();
        let caller = async |n: u32| {
            let mut calls = Vec::new();
            sleep(n * AWS_TIME / PERMITS).await;
            while begun.elapsed() < ROUND {
                calls.push(self.call().await);
            }
            calls
        };
        let all = join_all((0..PERMITS).map(caller)).await;
        Round::of(begun, all.into_iter().flatten().collect(), Latency::default())
    }

    /// This many calls per second, independent of their results.
    async fn open(&'static self, peak: f64, times: f64) -> Round {
        let begun = Instant::now();
        let calls = async {
            let mut calls = JoinSet::new();
            // The rate starts at the peak, so that the calls don't all end at the same time.
            for (per_second, end) in [(peak, AWS_TIME), (times * peak, ROUND)] {
                let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
                while begun.elapsed() < end {
                    ticks.tick().await;
                    calls.spawn(self.call());
                }
            }
            calls.join_all().await
        };
        let health = async {
            let mut times = Latency::default();
            while begun.elapsed() < ROUND {
                sleep(Duration::from_millis(50)).await;
                let sent = Instant::now();
                check_health(self.channels[0].clone()).await.expect("health");
                times.add(sent.elapsed());
            }
            times
        };
        let (calls, health) = tokio::join!(calls, health);
        Round::of(begun, calls, health)
    }
}

async fn start() -> (&'static Overload, Program, SocketAddr) {
    let simulator = simulator_with(&[]).await;
    simulator.fault_next(u32::MAX, Fault::delay(AWS_TIME.as_millis().try_into().unwrap()));
    let limit = format!("--max-in-flight={PERMITS}");
    let args = [&limit, "--aws-attempt-timeout=30s", "--default-deadline=30s", "--shutdown-delay=0s"];
    let mut program = serve_command(&args).with_keys().for_simulator(&simulator).start();
    let (grpc, admin) = program.addresses().await;
    until_serving(grpc).await;
    let channels = (0..4).map(|_| channel(grpc)).collect();
    let overload = Overload { simulator, channels, next_job: AtomicUsize::new(0) };
    // The calls are tasks, and the test lives as long as its process.
    (Box::leak(Box::new(overload)), program, admin)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just overload"]
async fn overload() {
    let (overload, program, admin) = start().await;
    // These calls fill connections, buffers, and caches.
    join_all((0..PERMITS).map(|_| overload.call())).await;
    let before = Vitals::of(program.id());
    let peak = overload.closed().await;
    assert_eq!(peak.rejected.count(), 0, "as many callers as permits");
    println!(
        "{PERMITS} in flight, {AWS_TIME:?} each: {:.1}/s completed, {}; {before}",
        peak.rate(),
        peak.completed
    );
    for times in [4.0, 10.0] {
        let mut good = false;
        for _ in 0..ROUNDS {
            let round = overload.open(peak.rate(), times).await;
            println!(
                "{:.0}/s offered, {:.1} times the peak: {:.1}/s completed ({:.0} %); \
                 rejected {} after {}; health {}; {}",
                round.offered(),
                round.offered() / peak.rate(),
                round.rate(),
                100.0 * round.rate() / peak.rate(),
                round.rejected.count(),
                round.rejected,
                round.health,
                Vitals::of(program.id()),
            );
            assert!(round.rejected.count() > round.completed.count(), "not an overload");
            // On an idle machine both are milliseconds.
            let immediate =
                round.rejected.percentile(50) < 4 * round.health.percentile(50) + Duration::from_millis(20);
            good = immediate && round.rate() >= 0.9 * peak.rate();
            if good {
                break;
            }
        }
        assert!(good, "at {times} times the peak, calls are lost or rejections are slow");
    }
    let recovered = overload.closed().await;
    println!("afterwards: {:.1}/s completed, {}", recovered.rate(), recovered.completed);
    assert_eq!(recovered.rejected.count(), 0, "the gateway has recovered");
    let in_flight = async || Metrics::of(admin).await.value("codepipeline_gateway_in_flight");
    until("calls in flight", PATIENCE, in_flight, |n| *n == 0.0).await;
    let after = Vitals::of(program.id());
    println!("after: {after}");
    assert!(after.memory <= before.memory + MEMORY_SLACK, "the memory grew");
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}
