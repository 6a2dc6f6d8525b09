//! The fault test: callers without end, and faults in AWS, the connections, the certificates, and
//! the keys.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codepipeline_simulator::{Config, RedispatchNonce, Simulator};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::caller::{CONFIGURATION, CONTINUATION, Caller};
use super::ledger::{Entry, Ledger};
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
    pub admin: SocketAddr,
    /// The channels of all callers. A restart replaces them.
    channels: Mutex<Vec<Channel>>,
}

/// Starts a simulator, and a gateway with these arguments.
pub async fn start(secret: &Secret, keys: &Scratch, rng: &mut Rng, args: &[&str]) -> (Chaos, Program) {
    let config = Config {
        keys: vec![rotation::key(0)],
        redispatch_after: Duration::from_secs(1),
        redispatch_nonce: if rng.bool() { RedispatchNonce::Same } else { RedispatchNonce::New },
        ..Config::default()
    };
    let simulator = Simulator::start(loopback().await, config).unwrap();
    rotation::put_key(keys, &rotation::key(0));
    let mut program = serve(&simulator, secret, keys, args);
    let (grpc, admin) = program.addresses().await;
    let channels = Mutex::new(channels(grpc, secret));
    (Chaos { simulator, admin, channels }, program)
}

/// Starts a gateway in front of the simulator.
pub fn serve(simulator: &Simulator, secret: &Secret, keys: &Scratch, args: &[&str]) -> Program {
    let common = [
        "--log-format=json",
        "--log-level=info,codepipeline_gateway=debug",
        "--max-connection-age=3s",
        "--max-in-flight=16",
        "--poll-interval=1s",
        "--default-deadline=3s",
        "--max-deadline=4s",
        "--aws-attempt-timeout=1s",
        "--aws-connect-timeout=500ms",
    ];
    serve_command(&[&common, args].concat())
        .with("GATEWAY_TLS_CERT", secret.path("tls.crt"))
        .with("GATEWAY_TLS_KEY", secret.path("tls.key"))
        .with("AWS_REGION", REGION)
        .for_simulator(simulator)
        .with("AWS_SHARED_CREDENTIALS_FILE", keys.path().join("credentials"))
        .start()
}

fn channels(grpc: SocketAddr, secret: &Secret) -> Vec<Channel> {
    let endpoint = || tls_endpoint(grpc, client_tls(&secret.ca_pem()));
    (0..CHANNELS).map(|_| endpoint().connect_lazy()).collect()
}

impl Chaos {
    /// The channel of a caller.
    pub fn channel(&self, caller: usize) -> Channel {
        self.channels.lock().unwrap()[caller % CHANNELS].clone()
    }

    /// Sends all further calls to the gateway at this address.
    pub fn move_callers(&self, grpc: SocketAddr, secret: &Secret) {
        *self.channels.lock().unwrap() = channels(grpc, secret);
    }

    /// Closes the callers' connections.
    fn disconnect(&self) {
        self.channels.lock().unwrap().clear();
    }
}

/// Starts the callers.
pub fn start_callers(chaos: &Arc<Chaos>, rng: &mut Rng, end: &CancellationToken) -> JoinSet<Vec<Entry>> {
    let callers = (0..CALLERS).map(|n| Caller::new(chaos.clone(), n, rng.fork()).work(end.clone()));
    callers.collect()
}

/// Asserts that the log contains no panic and no secret.
pub fn check_log(log: &[String]) {
    let secrets = [NONCE, TOKEN, CONFIGURATION, CONTINUATION, "fake-chaos-secret", "AKIAFAKE", "ASIAFAKE"];
    for text in secrets.into_iter().chain(["panic"]) {
        let found = log.iter().find(|line| line.contains(text));
        assert!(found.is_none(), "{text}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just chaos"]
async fn chaos() {
    let (time, mut rng) = (Duration::from_secs(variable("RUN_SECONDS", 180)), Rng::with_seed(seed()));
    let (secret, keys) = (Secret::new(), Scratch::new());
    let (chaos, program) = start(&secret, &keys, &mut rng, &["--shutdown-delay=0s"]).await;
    let (chaos, process) = (Arc::new(chaos), program.id());
    let connections = async || Metrics::of(chaos.admin).await.value("codepipeline_gateway_connections");
    until("connections", PATIENCE, connections, |n| *n == 0.0).await;
    let before = Vitals::of(process);
    println!("before: {before}");

    let end = CancellationToken::new();
    let callers = start_callers(&chaos, &mut rng, &end);
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
    chaos.disconnect();
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
    check_log(&log);
    check_log(&[ended.out]);
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
