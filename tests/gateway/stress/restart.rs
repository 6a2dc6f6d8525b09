//! The restart test: the gateway is replaced again and again during whole jobs, as in a rolling
//! update.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::chaos::{check_log, serve, start, start_callers};
use super::ledger::Ledger;
use super::rotation::Secret;
use super::{promises, seed, variable};
use crate::harness::{PATIENCE, Scratch};

/// A third of the fault test's time is enough for many restarts.
const SHARE: u64 = 3;

/// The least number of restarts. On a busy machine they can take longer than the time.
const RESTARTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just chaos"]
async fn restart() {
    let time = Duration::from_secs(variable("RUN_SECONDS", 180) / SHARE);
    let mut rng = Rng::with_seed(seed());
    let (secret, keys) = (Secret::new(), Scratch::new());
    // The callers leave the old gateway during its delay. It then ends calls that last too long.
    let args = ["--shutdown-delay=1s", "--drain-timeout=300ms"];
    let (chaos, mut program) = start(&secret, &keys, &mut rng, &args).await;
    let chaos = Arc::new(chaos);
    let end = CancellationToken::new();
    let callers = start_callers(&chaos, &mut rng, &end);
    let (begun, mut log, mut restarts) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < time || restarts < RESTARTS {
        assert!(begun.elapsed() < time + PATIENCE, "only {restarts} restarts");
        sleep(Duration::from_millis(rng.u64(300..1500))).await;
        let mut next = serve(&chaos.simulator, &secret, &keys, &args);
        chaos.move_callers(next.addresses().await.0, &secret);
        program.signal("TERM");
        log.extend(program.end().await.err.lines().map(str::to_owned));
        program = next;
        restarts += 1;
    }
    end.cancel();
    let ledger = Ledger(callers.join_all().await.into_iter().flatten().collect());
    println!("{} calls and {restarts} restarts in {time:?}", ledger.0.len());
    ledger.print();
    promises::check(&ledger, &chaos.simulator);
    program.signal("TERM");
    log.extend(program.end().await.err.lines().map(str::to_owned));
    ledger.agrees_with_log(&log);
    check_log(&log);
    chaos.simulator.stop().await;
}
