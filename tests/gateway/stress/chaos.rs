//! The fault test: callers without end, and faults in AWS, the connections, the certificates, and
//! the keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use codepipeline_simulator::{Config, RedispatchNonce, Simulator};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::caller::{CONFIGURATION, CONTINUATION, Caller};
use super::ledger::Ledger;
use super::rotation::{self, Secret};
use super::vitals::{Metrics, Vitals};
use super::{promises, trouble};
use super::{seed, variable};
use crate::harness::certificates::client_tls;
use crate::harness::process::serve_command;
use crate::harness::{NONCE, PATIENCE, Program, REGION, Scratch, TOKEN, loopback, tls_endpoint, until};

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

async fn start(secret: &Secret, keys: &Scratch, rng: &mut Rng) -> (Chaos, Program) {
    let config = Config {
        keys: vec![rotation::key(0)],
        redispatch_after: Duration::from_secs(1),
        redispatch_nonce: if rng.bool() { RedispatchNonce::Same } else { RedispatchNonce::New },
        ..Config::default()
    };
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
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just chaos"]
async fn chaos() {
    let (time, mut rng) = (Duration::from_secs(variable("RUN_SECONDS", 180)), Rng::with_seed(seed()));
    let (secret, keys) = (Secret::new(), Scratch::new());
    let (chaos, program) = start(&secret, &keys, &mut rng).await;
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
        callers.spawn(Caller::new(chaos, n, channel, rng).work(end));
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

    promises::check(&ledger, &chaos.simulator);
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
    for secret in [NONCE, TOKEN, CONFIGURATION, CONTINUATION, "fake-chaos-secret", "AKIAFAKE", "ASIAFAKE"] {
        let leak = log.iter().find(|line| line.contains(secret));
        assert!(leak.is_none() && !ended.out.contains(secret), "{leak:?}");
    }
    promises::assert_every_end(&ledger);
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
