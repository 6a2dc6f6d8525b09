//! A gateway under attack, and a valid caller that must not be affected.

use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_simulator::{Job, Simulator};
use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use super::latency::Latency;
use super::rotation::Secret;
use super::vitals::{Metrics, Vitals};
use crate::harness::certificates::client_tls;
use crate::harness::process::serve_command;
use crate::harness::{
    Client, NONCE, PATIENCE, Program, TOKEN, endpoint, get, request, simulator_with, tls_endpoint, until,
};

/// The default of `--max-connections`.
pub const MAX_CONNECTIONS: usize = 10_000;

/// A gateway under attack, and a valid caller.
pub struct Victim {
    simulator: Simulator,
    pub program: Program,
    pub grpc: SocketAddr,
    pub admin: SocketAddr,
    caller: Channel,
    calls: usize,
    /// The threads of the attackers, so that the caller and the simulator don't wait for them.
    attackers: Runtime,
}

impl Victim {
    pub async fn start(secret: Option<&Secret>) -> Self {
        let simulator = simulator_with(&[]).await;
        let mut serve = serve_command(&[
            "--max-in-flight=64",
            "--default-deadline=30s",
            "--aws-attempt-timeout=30s",
            "--shutdown-delay=0s",
            "--log-format=json",
        ]);
        if let Some(secret) = secret {
            serve = serve.with("GATEWAY_TLS_CERT", secret.path("tls.crt"));
            serve = serve.with("GATEWAY_TLS_KEY", secret.path("tls.key"));
        }
        let serve = serve.with_keys().for_simulator(&simulator);
        let mut program = serve.start();
        let (grpc, admin) = program.addresses().await;
        let endpoint = match secret {
            None => endpoint(grpc),
            Some(secret) => tls_endpoint(grpc, client_tls(&secret.ca_pem())),
        };
        let caller = endpoint.connect().await.unwrap();
        let readiness = async || get(admin, "/readyz", "*/*").await.1;
        until("readiness", PATIENCE, readiness, |body| body == "ready\n").await;
        Self { simulator, program, grpc, admin, caller, calls: 0, attackers: Runtime::new().unwrap() }
    }

    /// Makes calls, one after the other, until the attack ends. No call can fail.
    pub async fn calls_while<T>(
        &mut self,
        least: usize,
        attack: impl Future<Output = T>,
    ) -> (Latency, Option<T>) {
        let (mut latency, mut outcome) = (Latency::default(), None);
        let mut attack = std::pin::pin!(attack.fuse());
        while latency.count() < least || outcome.is_none() {
            self.calls += 1;
            let job = format!("job-{}", self.calls);
            self.simulator.add_job(Job::new(&job, NONCE, TOKEN));
            let mut client = Client::new(self.caller.clone());
            let mut call = std::pin::pin!(client.acknowledge_third_party_job(request(&job)));
            let start = Instant::now();
            let answer = loop {
                tokio::select! {
                    answer = &mut call => break answer,
                    end = &mut attack, if outcome.is_none() => outcome = Some(end),
                }
            };
            assert!(answer.is_ok(), "a call of the valid caller, {job}: {answer:?}");
            latency.add(start.elapsed());
            tokio::select! {
                () = sleep(Duration::from_millis(5)) => {}
                end = &mut attack, if outcome.is_none() => outcome = Some(end),
            }
        }
        (latency, outcome)
    }

    /// Makes calls during an attack, and prints the figures.
    pub async fn endure(&mut self, name: &str, attack: impl Future<Output = String> + Send + 'static) {
        let attack = self.attackers.spawn(attack);
        let (latency, outcome) = self.calls_while(50, attack).await;
        let outcome = outcome.unwrap().expect("the checks of the attack");
        println!("{name:<22} {latency}; {}; {outcome}", Vitals::of(self.program.id()));
    }

    /// Waits until the gateway has at most this much memory, in KiB. The allocator returns memory
    /// with a delay.
    pub async fn returns_memory(&self, most: u64) {
        let memory = async || Vitals::of(self.program.id()).memory;
        until("memory in KiB", PATIENCE, memory, |memory| *memory <= most).await;
    }

    /// Waits until only the connection of the valid caller is open.
    pub async fn calm(&self) -> Vitals {
        let probe = async || {
            let metrics = Metrics::of(self.admin).await;
            let gauge = |name: &str| metrics.value(&format!("codepipeline_gateway_{name}"));
            (gauge("in_flight"), gauge("connections"))
        };
        until("calls and connections", PATIENCE, probe, |now| *now == (0.0, 1.0)).await;
        Vitals::of(self.program.id())
    }

    /// Ends the gateway and checks its log.
    pub async fn end(self) {
        self.program.signal("TERM");
        drop(self.caller);
        self.attackers.shutdown_background();
        let ended = self.program.end().await;
        assert_eq!(ended.code, Some(0));
        assert!(!ended.err.contains("panic"), "a panic");
        for secret in [NONCE, TOKEN] {
            assert!(!ended.err.contains(secret), "the log contains a secret");
        }
    }
}
