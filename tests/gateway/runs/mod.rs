//! Runs: longer than a test, against the real binary, with figures. `just chaos`, `just hostile`, `just overload`.
//!
//! `RUN_SECONDS` says how long the fault run lasts, `RUN_ROUNDS` how often the attacks are made, and `RUN_SEED` makes a
//! run's choices those of an earlier one.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unchecked_time_subtraction,
    reason = "figures are what a run is for"
)]

mod attacks;
mod chaos;
mod h2spec;
mod hostile;
mod latency;
mod ledger;
mod overload;
mod trouble;
mod vitals;

use std::env;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::process::PATIENCE;

/// A number from outside, or this one.
fn variable(name: &str, default: u64) -> u64 {
    env::var(name).ok().filter(|value| !value.is_empty()).map_or(default, |value| value.parse().unwrap())
}

/// The seed of a run's choices, printed so that they can be made again. What the machine does between them can't.
fn seed() -> u64 {
    let seed = variable("RUN_SEED", fastrand::u64(..1_000_000));
    println!("seed {seed} (RUN_SEED={seed} makes the same choices)");
    seed
}

/// Looks until it is so, and fails with what was seen last if it never is.
async fn until<T: std::fmt::Debug, F: Future<Output = T>>(
    what: &str,
    mut look: impl FnMut() -> F,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "{what}: still {seen:?}");
        sleep(Duration::from_millis(100)).await;
    }
}
