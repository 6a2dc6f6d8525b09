//! The fault test: callers without end, and faults in AWS, the connections, the certificates, and
//! the keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use codepipeline_gateway::error::Outcome;
use codepipeline_simulator::{Config, Job, Simulator};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::Channel;

use super::ledger::{End, Entry, Ledger, Values};
use super::rotation::{self, Secret};
use super::trouble;
use super::vitals::{Metrics, Vitals};
use super::{seed, variable};
use crate::harness::certificates::client_tls;
use crate::harness::process::serve_command;
use crate::harness::{
    Client, NONCE, PATIENCE, Program, REGION, Scratch, TOKEN, loopback, request, tls_endpoint, until,
};

const CHANNELS: usize = 6;
const CALLERS: usize = 24;
/// The memory, in KiB, that the gateway can have at the end in addition to the memory after a third
/// of the time.
const MEMORY_SLACK: u64 = 24 * 1024;

/// The gateway and the simulator.
pub struct Chaos {
    pub simulator: Simulator,
    pub grpc: SocketAddr,
    pub admin: SocketAddr,
    ca_pem: String,
}

async fn start(secret: &Secret, keys: &Scratch) -> (Chaos, Program) {
    let config = Config { keys: vec![rotation::key(0)], ..Config::default() };
    let simulator = Simulator::start(loopback().await, config).unwrap();
    let (cert, key) = (secret.path("tls.crt"), secret.path("tls.key"));
    let serve = serve_command(&[
        "--log-format=json",
        "--log-level=info,codepipeline_gateway=debug",
        "--max-connection-age=3s",
        "--max-in-flight=16",
        "--default-deadline=3s",
        "--max-deadline=4s",
        "--aws-attempt-timeout=1s",
        "--aws-connect-timeout=500ms",
        "--shutdown-delay=0s",
    ]);
    let mut program = serve
        .with("GATEWAY_TLS_CERT", cert)
        .with("GATEWAY_TLS_KEY", key)
        .with("AWS_REGION", REGION)
        .for_simulator(&simulator)
        .with("AWS_SHARED_CREDENTIALS_FILE", rotation::put_key(keys, &rotation::key(0)))
        .start();
    let (grpc, admin) = program.addresses().await;
    (Chaos { simulator, grpc, admin, ca_pem: secret.ca_pem() }, program)
}

impl Chaos {
    fn channel(&self) -> Channel {
        tls_endpoint(self.grpc, client_tls(&self.ca_pem)).connect_lazy()
    }

    /// Makes one call and waits for its end.
    async fn call(&self, channel: Channel, job: &str, values: Values, rng: &mut Rng) -> Entry {
        let request_id = format!("chaos-{:016x}", rng.u64(..));
        let mut message = request(job);
        if values == Values::Wrong {
            match rng.u8(..4) {
                0 => message.nonce = "wrong-nonce".into(),
                1 => message.client_token = "wrong-token".into(),
                2 => message.job_id = "no-such-job".into(),
                _ => message.client_token = String::new(),
            }
        }
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
        let deadline = *rng.choice(&[None, Some(200), Some(700), Some(1500), Some(10_000)]).unwrap();
        if let Some(millis) = deadline {
            request.set_timeout(Duration::from_millis(millis));
        }
        let patience = if rng.u8(..20) == 0 { Duration::from_millis(rng.u64(..300)) } else { PATIENCE };
        let mut client = Client::new(channel);
        let end = match timeout(patience, client.acknowledge_third_party_job(request)).await {
            Ok(Ok(_)) => End::Acknowledged,
            Ok(Err(status)) => End::of(&status, deadline.is_some()),
            Err(_) => {
                assert!(patience < PATIENCE, "no response to {request_id}");
                End::Canceled
            }
        };
        Entry { request_id, job: job.to_owned(), values, end }
    }

    /// Makes calls about one job after the other, and retries what can be retried.
    async fn caller(
        &self,
        name: usize,
        channel: Channel,
        mut rng: Rng,
        end: CancellationToken,
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        for n in 0.. {
            if end.is_cancelled() {
                break;
            }
            let id = format!("job-{name}-{n}");
            let job = Job::new(&id, NONCE, TOKEN);
            self.simulator.add_job(
                trouble::faults(&mut rng).into_iter().fold(job, |job, fault| job.with_fault(1, fault)),
            );
            let values = if rng.u8(..12) == 0 { Values::Wrong } else { Values::Correct };
            for _ in 0..3 {
                let entry = self.call(channel.clone(), &id, values, &mut rng).await;
                let again = match &entry.end {
                    End::Rejected(reason, outcome, _) => {
                        reason.has_retry_info(&codepipeline_gateway::methods::ACKNOWLEDGE)
                            || (*outcome == Outcome::Unknown && rng.bool())
                    }
                    _ => false,
                };
                entries.push(entry);
                if !again {
                    break;
                }
                sleep(Duration::from_millis(rng.u64(5..60))).await;
            }
        }
        entries
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just chaos"]
async fn chaos() {
    let (time, mut rng) = (Duration::from_secs(variable("RUN_SECONDS", 180)), Rng::with_seed(seed()));
    let (secret, keys) = (Secret::new(), Scratch::new());
    let (chaos, program) = start(&secret, &keys).await;
    let (chaos, process) = (Arc::new(chaos), program.id());
    let connections = async || Metrics::of(chaos.admin).await.value("codepipeline_gateway_connections");
    until("connections", PATIENCE, connections, |n| *n == 0.0).await;
    let before = Vitals::of(process);
    println!("before: {before}");

    let end = CancellationToken::new();
    let mut callers = JoinSet::new();
    let channels: Vec<_> = (0..CHANNELS).map(|_| chaos.channel()).collect();
    for n in 0..CALLERS {
        let (chaos, channel, rng, end) =
            (chaos.clone(), channels[n % CHANNELS].clone(), rng.fork(), end.clone());
        callers.spawn(async move { chaos.caller(n, channel, rng, end).await });
    }
    drop(channels);
    let troubles = async {
        tokio::join!(
            rotation::rotate_certificates(&chaos, secret, &end),
            rotation::rotate_keys(&chaos, &keys, &end),
            trouble::break_connections(&chaos.simulator, rng.fork(), &end),
        )
    };
    let run = async {
        sleep(time / 3).await;
        let first_third = Vitals::of(process);
        println!("after a third: {first_third}");
        sleep(time - time / 3).await;
        end.cancel();
        (first_third, callers.join_all().await)
    };
    let ((certificates, keys, ()), (first_third, entries)) = tokio::join!(troubles, run);
    let ledger = Ledger(entries.into_iter().flatten().collect());
    println!("{} calls in {time:?}; {certificates} new certificates, {keys} new keys", ledger.0.len());
    ledger.print();

    ledger.agrees_with_aws(&chaos.simulator);
    chaos.simulator.stop().await;
    let after = until_nothing_remains(&chaos, process, before).await;
    println!("after: {after}");
    assert!(after.memory <= first_third.memory.max(before.memory) + MEMORY_SLACK, "the memory grew");
    ledger.agrees_with_metrics(&Metrics::of(chaos.admin).await);

    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0));
    let log: Vec<String> = ended.err.lines().map(str::to_owned).collect();
    println!("{} log lines", log.len());
    ledger.agrees_with_log(&log);
    assert!(!ended.err.contains("panic"), "a panic");
    for secret in [NONCE, TOKEN, "fake-chaos-secret", "AKIAFAKE"] {
        let leak = log.iter().find(|line| line.contains(secret));
        assert!(leak.is_none() && !ended.out.contains(secret), "{leak:?}");
    }
    assert_every_end(&ledger);
}

/// Waits until no call, connection, file, or thread remains.
async fn until_nothing_remains(chaos: &Chaos, process: u32, before: Vitals) -> Vitals {
    let probe = async || {
        let metrics = Metrics::of(chaos.admin).await;
        let gauges =
            ["in_flight", "connections"].map(|name| metrics.value(&format!("codepipeline_gateway_{name}")));
        (gauges, Vitals::of(process))
    };
    // A thread for file reads starts and ends.
    let none = |(gauges, now): &([f64; 2], Vitals)| {
        *gauges == [0.0, 0.0] && now.files <= before.files && now.threads <= before.threads + 1
    };
    until("calls, connections, files and threads", PATIENCE, probe, none).await.1
}

/// Asserts that every kind of end occurred: a test without faults proves nothing.
fn assert_every_end(ledger: &Ledger) {
    assert!(ledger.count(|end| *end == End::Acknowledged) > 0, "no success");
    assert!(ledger.count(|end| *end == End::Canceled) > 0, "no canceled call");
    for wanted in [Outcome::NotSent, Outcome::Rejected, Outcome::Unknown] {
        let came = ledger.count(|end| matches!(end, End::Rejected(_, outcome, _) if *outcome == wanted));
        assert!(came > 0, "no {wanted:?}");
    }
}
