//! Stress tests of the real binary, with figures: `just chaos`, `just hostile`, `just overload`,
//! `just waiters`.
//!
//! `RUN_SECONDS` is the duration of the fault test. The restart test lasts a third of it.
//! `RUN_ROUNDS` is the number of attack rounds, and `RUN_SEED` repeats the random choices of an
//! earlier test.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unchecked_time_subtraction,
    reason = "a stress test prints figures"
)]

mod attacks;
mod caller;
mod chaos;
mod h2spec;
mod hostile;
mod idle;
mod latency;
mod ledger;
mod overload;
mod promises;
mod restart;
mod rotation;
mod trouble;
mod victim;
mod vitals;
mod waiters;

use std::env;

/// A number from the environment, or the default.
fn variable(name: &str, default: u64) -> u64 {
    env::var(name).ok().filter(|value| !value.is_empty()).map_or(default, |value| value.parse().unwrap())
}

/// The seed of the random choices, printed so that a test can repeat them. The timing can't be
/// repeated.
fn seed() -> u64 {
    let seed = variable("RUN_SEED", fastrand::u64(..1_000_000));
    println!("seed {seed} (RUN_SEED={seed} repeats the choices)");
    seed
}
