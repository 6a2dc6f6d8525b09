//! The overload run: what is offered beyond what the gateway may have in flight costs a refusal each, and nothing else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::{Fault, Job, Simulator};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::latency::Latency;
use super::until;
use super::vitals::{Metrics, Vitals};
use crate::harness::{Answer, NONCE, TOKEN, request};
use crate::process::{channel, command, simulator_with, until_serving};

const SLOTS: u32 = 16;
/// What AWS takes for a call: so long that the limit of calls in flight is what bounds them, on a slow machine too.
const AWS_TIME: Duration = Duration::from_secs(1);
/// How long each rate is offered, and from when on it counts: by then the calls in flight end one after the other.
const ROUND: Duration = Duration::from_secs(9);
const COUNTS_FROM: Duration = Duration::from_secs(2);
/// A round in which the machine was busy with something else says nothing: one of so many has to be good.
const ROUNDS: usize = 5;
/// How much more memory may be held after it, in KiB.
const MEMORY_SLACK: u64 = 24 * 1024;

struct Overload {
    simulator: Simulator,
    channels: Vec<Channel>,
    next_job: AtomicUsize,
}

/// What came of a call.
struct Came {
    completed: bool,
    took: Duration,
    at: Instant,
}

/// What came of the calls of one round.
#[derive(Debug, Default)]
struct Round {
    completed: Latency,
    refused: Latency,
    /// Health checks meanwhile: they go the same way, and nothing refuses them.
    health: Latency,
}

impl Round {
    fn of(begun: Instant, calls: Vec<Came>, health: Latency) -> Self {
        let mut round = Self { health, ..Self::default() };
        for call in calls.into_iter().filter(|call| (COUNTS_FROM..ROUND).contains(&(call.at - begun))) {
            if call.completed { &mut round.completed } else { &mut round.refused }.add(call.took);
        }
        round
    }

    /// Completed calls a second.
    fn rate(&self) -> f64 {
        self.completed.count() as f64 / (ROUND - COUNTS_FROM).as_secs_f64()
    }

    fn offered(&self) -> f64 {
        self.rate() + self.refused.count() as f64 / (ROUND - COUNTS_FROM).as_secs_f64()
    }
}

impl Overload {
    /// A call about a job of its own: completed or refused, and there is no third way.
    async fn call(&self) -> Came {
        let n = self.next_job.fetch_add(1, Ordering::Relaxed);
        let id = format!("job-{n}");
        self.simulator.add_job(Job::new(&id, NONCE, TOKEN));
        let mut client = ThirdPartyJobServiceClient::new(self.channels[n % self.channels.len()].clone());
        let begun = Instant::now();
        let answer: Answer = client.acknowledge_third_party_job(request(&id)).await.into();
        let (at, took) = (Instant::now(), begun.elapsed());
        if answer.result.is_err() {
            let told = (answer.code(), answer.reason(), answer.outcome());
            assert_eq!(told, (Code::ResourceExhausted, "GATEWAY_OVERLOADED".into(), "not_sent".into()));
            assert!(answer.details().retry_info().is_some());
        }
        Came { completed: answer.result.is_ok(), took, at }
    }

    /// As many callers as there are slots, each with its next call as soon as it has an answer: the most there can be.
    async fn closed(&self) -> Round {
        let begun = Instant::now();
        let caller = async |n: u32| {
            let mut calls = Vec::new();
            sleep(n * AWS_TIME / SLOTS).await;
            while begun.elapsed() < ROUND {
                calls.push(self.call().await);
            }
            calls
        };
        let all = join_all((0..SLOTS).map(caller)).await;
        Round::of(begun, all.into_iter().flatten().collect(), Latency::default())
    }

    /// So many calls a second, whatever becomes of them.
    async fn open(&'static self, peak: f64, times: f64) -> Round {
        let begun = Instant::now();
        let calls = async {
            let mut calls = JoinSet::new();
            // At first as many as there is room for, so that they don't all end at once.
            for (a_second, end) in [(peak, AWS_TIME), (times * peak, ROUND)] {
                let mut ticks = interval(Duration::from_secs_f64(1.0 / a_second));
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
                let asked = Instant::now();
                let request = HealthCheckRequest { service: String::new() };
                HealthClient::new(self.channels[0].clone()).check(request).await.expect("health");
                times.add(asked.elapsed());
            }
            times
        };
        let (calls, health) = tokio::join!(calls, health);
        Round::of(begun, calls, health)
    }
}

async fn start() -> (&'static Overload, crate::process::Program, SocketAddr) {
    let simulator = simulator_with(&[]).await;
    simulator.fault_next(u32::MAX, Fault::delay(AWS_TIME.as_millis().try_into().unwrap()));
    let limit = format!("--max-in-flight={SLOTS}");
    let args = ["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", &limit];
    let serve = command(
        &[&args[..], &["--aws-attempt-timeout=30s", "--default-deadline=30s", "--shutdown-delay=0s"]]
            .concat(),
    );
    let serve = serve.with_keys();
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let (grpc, admin) = program.addresses().await;
    until_serving(grpc).await;
    let channels = (0..4).map(|_| channel(grpc)).collect();
    let overload = Overload { simulator, channels, next_job: AtomicUsize::new(0) };
    // Calls are tasks of their own, and the run is as long as its process.
    (Box::leak(Box::new(overload)), program, admin)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a run: just overload"]
async fn overload() {
    let (overload, program, admin) = start().await;
    join_all((0..SLOTS).map(|_| overload.call())).await; // Connections, buffers and caches fill.
    let before = Vitals::of(program.id());
    let peak = overload.closed().await;
    assert_eq!(peak.refused.count(), 0, "as many callers as slots");
    println!(
        "{SLOTS} in flight, {AWS_TIME:?} each: {:.1}/s completed, {}; {before}",
        peak.rate(),
        peak.completed
    );
    for times in [4.0, 10.0] {
        let mut good = false;
        for _ in 0..ROUNDS {
            let round = overload.open(peak.rate(), times).await;
            println!(
                "{:.0}/s offered, {:.1} times the peak: {:.1}/s completed ({:.0} %); refused {} after {}; health {}; {}",
                round.offered(),
                round.offered() / peak.rate(),
                round.rate(),
                100.0 * round.rate() / peak.rate(),
                round.refused.count(),
                round.refused,
                round.health,
                Vitals::of(program.id()),
            );
            assert!(round.refused.count() > round.completed.count(), "that was no overload");
            // On a machine that has nothing else to do both are milliseconds.
            let at_once =
                round.refused.percentile(50) < 4 * round.health.percentile(50) + Duration::from_millis(20);
            good = at_once && round.rate() >= 0.9 * peak.rate();
            if good {
                break;
            }
        }
        assert!(good, "at {times} times the peak calls suffer, or refusals come late");
    }
    let recovered = overload.closed().await;
    println!("afterwards: {:.1}/s completed, {}", recovered.rate(), recovered.completed);
    assert_eq!(recovered.refused.count(), 0, "it has recovered");
    let slots = async || Metrics::of(admin).await.value("codepipeline_gateway_in_flight");
    until("calls in flight", slots, |n| *n == 0.0).await;
    let after = Vitals::of(program.id());
    println!("after: {after}");
    assert!(after.memory <= before.memory + MEMORY_SLACK, "it grew");
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}
