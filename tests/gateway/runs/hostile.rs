//! The hostile-client run: everything that a client could do to the gateway, while somebody else's calls go on.

use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::{Job, Simulator};
use fastrand::Rng;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::latency::Latency;
use super::trouble::Secret;
use super::vitals::{Metrics, Vitals};
use super::{attacks, seed, until, variable};
use crate::frames::{PREFACE, Raw, SETTINGS, frame};
use crate::harness::{NONCE, TOKEN, request};
use crate::process::{Program, command, simulator_with};

const MAX_CONNECTIONS: usize = 2_000;
/// How much more memory may be held after everything than after the first round of attacks, in KiB: what the allocator
/// took for a flood it gives back in its own time.
const MEMORY_SLACK: u64 = 32 * 1024;

/// Connections to AWS that are kept for the next call.
const FILES_SLACK: usize = 4;

type Attack = (&'static str, fn(SocketAddr, Rng) -> BoxFuture<'static, String>);

/// The attacks, in the order in which they are made.
const ATTACKS: [Attack; 16] = [
    ("rapid reset", |a, r| attacks::rapid_reset(a, r).boxed()),
    ("made you reset", |a, r| attacks::made_you_reset(a, r).boxed()),
    ("SETTINGS flood", |a, r| attacks::settings_flood(a, r).boxed()),
    ("PING flood", |a, r| attacks::ping_flood(a, r).boxed()),
    ("never reads", |a, r| attacks::never_reads(a, r).boxed()),
    ("window overflow", |a, r| attacks::window_overflow(a, r).boxed()),
    ("giant headers", |a, r| attacks::giant_headers(a, r).boxed()),
    ("HPACK bomb", |a, r| attacks::hpack_bomb(a, r).boxed()),
    ("CONTINUATION flood", |a, r| attacks::continuation_flood(a, r).boxed()),
    ("garbage", |a, r| attacks::garbage(a, r).boxed()),
    ("other protocols", |a, r| attacks::other_protocols(a, r).boxed()),
    ("malformed calls", |a, r| attacks::malformed_calls(a, r).boxed()),
    ("half messages", |a, r| attacks::half_messages(a, r).boxed()),
    ("zero-window readers", |a, r| attacks::zero_window_readers(a, r).boxed()),
    ("small frames", |a, r| attacks::small_frames(a, r).boxed()),
    ("mutated frames", |a, r| attacks::mutated(a, r).boxed()),
];

/// A gateway under attack, and the caller who mustn't notice.
struct Victim {
    simulator: Simulator,
    program: Program,
    grpc: SocketAddr,
    admin: SocketAddr,
    caller: Channel,
    calls: usize,
    /// The attackers' threads: the caller and the simulator must not wait for them in this process.
    attackers: Runtime,
}

impl Victim {
    async fn start(secret: Option<&Secret>) -> Self {
        let simulator = simulator_with(&[]).await;
        let connections = format!("--max-connections={MAX_CONNECTIONS}");
        let mut serve = command(&[
            "serve",
            "--grpc-addr=127.0.0.1:0",
            "--admin-addr=127.0.0.1:0",
            "--max-in-flight=64",
            "--default-deadline=30s",
            "--aws-attempt-timeout=30s",
            "--shutdown-delay=0s",
            "--log-format=json",
            &connections,
        ]);
        if let Some(secret) = secret {
            serve = serve.with("GATEWAY_TLS_CERT", secret.path("tls.crt"));
            serve = serve.with("GATEWAY_TLS_KEY", secret.path("tls.key"));
        }
        let serve = serve.with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url());
        let mut program = serve.start();
        let (grpc, admin) = program.addresses().await;
        let scheme = if secret.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{grpc}")).unwrap();
        if let Some(secret) = secret {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(secret.roots()));
            endpoint = endpoint.tls_config(tls.domain_name("gateway.test")).unwrap();
        }
        let caller = endpoint.connect().await.unwrap();
        until(
            "ready",
            async || crate::harness::get(admin, "/readyz", "*/*").await.1,
            |body| body == "ready\n",
        )
        .await;
        Self { simulator, program, grpc, admin, caller, calls: 0, attackers: Runtime::new().unwrap() }
    }

    /// Calls, one after the other, until the attack is over, and no fewer than these. None may fail.
    async fn calls_while<T>(
        &mut self,
        least: usize,
        attack: impl Future<Output = T>,
    ) -> (Latency, Option<T>) {
        let (mut latency, mut came) = (Latency::default(), None);
        let mut attack = std::pin::pin!(attack.fuse());
        while latency.count() < least || came.is_none() {
            self.calls += 1;
            let job = format!("job-{}", self.calls);
            self.simulator.add_job(Job::new(&job, NONCE, TOKEN));
            let mut client = ThirdPartyJobServiceClient::new(self.caller.clone());
            let mut call = std::pin::pin!(client.acknowledge_third_party_job(request(&job)));
            let begun = Instant::now();
            let answer = loop {
                tokio::select! {
                    answer = &mut call => break answer,
                    end = &mut attack, if came.is_none() => came = Some(end),
                }
            };
            assert!(answer.is_ok(), "a well-behaved caller's call {job}: {answer:?}");
            latency.add(begun.elapsed());
            tokio::select! {
                () = sleep(Duration::from_millis(5)) => {}
                end = &mut attack, if came.is_none() => came = Some(end),
            }
        }
        (latency, came)
    }

    async fn suffers(&mut self, name: &str, attack: impl Future<Output = String> + Send + 'static) {
        let attack = self.attackers.spawn(attack);
        let (latency, came) = self.calls_while(50, attack).await;
        let came = came.unwrap().expect("the attack's own checks");
        println!("{name:<22} {latency}; {}; {came}", Vitals::of(self.program.id()));
    }

    /// Only the caller's own connection is left.
    async fn calm(&self) -> Vitals {
        let look = async || {
            let metrics = Metrics::of(self.admin).await;
            let gauge = |name: &str| metrics.value(&format!("codepipeline_gateway_{name}"));
            (gauge("in_flight"), gauge("connections"))
        };
        until("calls and connections", look, |now| *now == (0.0, 1.0)).await;
        Vitals::of(self.program.id())
    }

    async fn ends(self) {
        self.program.signal("TERM");
        drop(self.caller);
        self.attackers.shutdown_background();
        let ended = self.program.end().await;
        assert_eq!(ended.code, Some(0));
        assert!(!ended.err.contains("panic"), "a panic");
        for secret in [NONCE, TOKEN] {
            assert!(!ended.err.contains(secret), "a secret in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a run: just hostile"]
async fn hostile() {
    let mut rng = Rng::with_seed(seed());
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    let mut victim = Victim::start(None).await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    let before = Vitals::of(victim.program.id());
    println!("{:<22} {alone}; {before}", "(nobody else)");
    let mut first = None;
    for round in 1..=variable("RUN_ROUNDS", 3) {
        for (name, attack) in ATTACKS {
            victim.suffers(name, attack(victim.grpc, rng.fork())).await;
        }
        let calm = victim.calm().await;
        println!("{:<22} {calm}", format!("(after round {round})"));
        first.get_or_insert(calm);
    }
    let address = victim.grpc;
    victim.suffers("idle connections", idle(address, victim.admin)).await;
    let after = victim.calm().await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    println!("{:<22} {alone}; {after}", "(nobody else)");
    assert!(after.files <= before.files + FILES_SLACK, "sockets are left");
    assert!(after.memory <= first.unwrap().memory + MEMORY_SLACK, "it grows");
    victim.ends().await;
}

/// As many as there may be and some more: those are closed at once. The rest never says a word, or greets and is idle.
async fn idle(address: SocketAddr, admin: SocketAddr) -> String {
    let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let mut open = Vec::new();
    for n in 0..MAX_CONNECTIONS + 500 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            // It may be closed by now.
            let _ = socket.write_all(&greeting).await;
        }
        open.push(socket);
    }
    let value =
        async |name: &'static str| Metrics::of(admin).await.value(&format!("codepipeline_gateway_{name}"));
    let refused = until("refused", || value("connections_refused_total"), |n| *n >= 500.0).await;
    // Half of them never greet: they are gone after their handshake time, and there is room again.
    let has_room = |n: &f64| *n < MAX_CONNECTIONS as f64 * 0.6;
    until("silent connections", || value("connections"), has_room).await;
    Raw::plain(address).await.until(Duration::from_millis(100)).await;
    drop(open);
    format!("{refused} refused at once, the silent ones after 10 s")
}

/// What TLS adds: handshakes that stop, or come a byte at a time, and connections that are idle after theirs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a run: just hostile"]
async fn hostile_tls() {
    let secret = Secret::new();
    let mut victim = Victim::start(Some(&secret)).await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    let before = Vitals::of(victim.program.id());
    println!("{:<22} {alone}; {before}", "(TLS, nobody else)");
    let address = victim.grpc;
    victim.suffers("slow TLS handshakes", slow_handshakes(address)).await;
    victim.suffers("TLS garbage", attacks::garbage(address, Rng::with_seed(1))).await;
    let after = victim.calm().await;
    println!("{:<22} {after}", "(after)");
    assert!(
        after.files <= before.files + FILES_SLACK && after.memory <= before.memory + MEMORY_SLACK,
        "it grew"
    );
    victim.ends().await;
}

/// The start of a ClientHello: a record of 512 bytes whose rest doesn't come, or comes drop by drop.
async fn slow_handshakes(address: SocketAddr) -> String {
    let begun = Instant::now();
    let one = async |n: usize| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let start = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        socket.write_all(&start[..n % start.len()]).await.unwrap();
        let mut byte = [0];
        loop {
            tokio::select! {
                read = socket.read(&mut byte) => if read.is_err() || read.is_ok_and(|read| read == 0) { return },
                () = sleep(Duration::from_secs(1)) => if socket.write_all(&[0]).await.is_err() { return },
            }
        }
    };
    join_all((0..500).map(one)).await;
    format!("500 ended after {:.0} s", begun.elapsed().as_secs_f64())
}
