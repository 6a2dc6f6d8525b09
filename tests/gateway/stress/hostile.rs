//! The hostile clients test: attacks on the gateway during the calls of a valid caller.

use fastrand::Rng;

use super::attacks::{self, ATTACKS};
use super::idle::{idle_connections, large_handshakes, slow_handshakes};
use super::rotation::Secret;
use super::victim::Victim;
use super::vitals::Vitals;
use super::{seed, variable};

/// The memory, in KiB, that the gateway can have at the end in addition to the memory after the
/// first round.
const MEMORY_SLACK: u64 = 32 * 1024;

/// The number of open connections to AWS that the gateway keeps for the next call.
const FILES_SLACK: usize = 4;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just hostile"]
async fn hostile() {
    let mut rng = Rng::with_seed(seed());
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    let mut victim = Victim::start(None).await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    let before = Vitals::of(victim.program.id());
    println!("{:<22} {alone}; {before}", "(no attack)");
    let mut first = None;
    for round in 1..=variable("RUN_ROUNDS", 3) {
        for (name, attack) in ATTACKS {
            victim.endure(name, attack(victim.grpc, rng.fork())).await;
        }
        let calm = victim.calm().await;
        println!("{:<22} {calm}", format!("(after round {round})"));
        first.get_or_insert(calm);
    }
    let address = victim.grpc;
    victim.endure("idle connections", idle_connections(address, victim.admin)).await;
    let after = victim.calm().await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    println!("{:<22} {alone}; {after}", "(no attack)");
    after.assert_fits_into_the_chart();
    assert!(after.files <= before.files + FILES_SLACK, "open sockets remain");
    victim.returns_memory(first.unwrap().memory + MEMORY_SLACK).await;
    victim.end().await;
}

/// The attacks on TLS: handshakes that stop or are slow, and garbage.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just hostile"]
async fn hostile_tls() {
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    let secret = Secret::new();
    let mut victim = Victim::start(Some(&secret)).await;
    let (alone, _) = victim.calls_while(300, async {}).await;
    let before = Vitals::of(victim.program.id());
    println!("{:<22} {alone}; {before}", "(TLS, no attack)");
    let address = victim.grpc;
    victim.endure("slow TLS handshakes", slow_handshakes(address)).await;
    victim.endure("large TLS handshakes", large_handshakes(address)).await;
    victim.endure("TLS garbage", attacks::garbage(address, Rng::with_seed(1))).await;
    let after = victim.calm().await;
    println!("{:<22} {after}", "(after)");
    after.assert_fits_into_the_chart();
    assert!(after.files <= before.files + FILES_SLACK, "open sockets remain");
    victim.returns_memory(before.memory + MEMORY_SLACK).await;
    victim.end().await;
}
