//! Waits with a deadline. Each panics at the deadline and reports the last value.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codepipeline_simulator::Simulator;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The deadline of a wait for something that has to come. A test never takes this long unless it
/// fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two probes.
const PAUSE: Duration = Duration::from_millis(25);

/// Probes until the condition holds, and returns the value that met it.
pub async fn until<T: Debug, F: Future<Output = T>>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> F,
    condition: impl Fn(&T) -> bool,
) -> T {
    let end = Instant::now() + deadline;
    let mut last = None;
    loop {
        let Ok(seen) = timeout_at(end, probe()).await else {
            panic!("{what}: a probe hangs after {deadline:?}; the last value was {last:?}");
        };
        if condition(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "{what}: the last value after {deadline:?} is {seen:?}");
        last = Some(seen);
        sleep(PAUSE).await;
    }
}

/// Awaits a future, and panics at the deadline.
pub async fn within<T>(what: &str, deadline: Duration, future: impl Future<Output = T>) -> T {
    timeout(deadline, future).await.unwrap_or_else(|_| panic!("{what}: not within {deadline:?}"))
}

/// Waits until this many requests have reached the simulator.
pub async fn wait_for_requests(simulator: &Simulator, count: usize) {
    let arrived = timeout(PATIENCE, simulator.wait_for_requests(count)).await;
    let seen = simulator.requests().len();
    assert!(arrived.is_ok(), "{seen} instead of {count} requests reached the simulator");
}

/// Waits until the gateway has abandoned this many requests.
pub async fn wait_for_abandoned(simulator: &Simulator, count: usize) {
    let abandoned = timeout(PATIENCE, simulator.wait_for_abandoned(count)).await;
    assert!(abandoned.is_ok(), "not {count} abandoned requests: {:#?}", simulator.requests());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a count of 9: the last value after 100ms is ")]
async fn a_wait_panics_with_the_last_value_at_its_deadline() {
    let count = AtomicUsize::new(0);
    let probe = async || count.fetch_add(1, Ordering::Relaxed);
    until("a count of 9", Duration::from_millis(100), probe, |seen| *seen == 9).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a probe that ends: a probe hangs after 1s; the last value was None")]
async fn a_wait_panics_when_its_probe_hangs() {
    until("a probe that ends", Duration::from_secs(1), std::future::pending::<()>, |()| true).await;
}
