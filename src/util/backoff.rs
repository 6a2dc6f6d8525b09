//! Delays between retries, and random variation of a duration.

use std::time::Duration;

/// An exponential backoff: the delay doubles with each failure, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The delay after the first failure.
    pub(crate) first: Duration,
    /// The longest delay.
    pub(crate) max: Duration,
}

impl Backoff {
    /// The delay after this many failures in a row; none after no failure.
    pub(crate) fn delay(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => self.first.saturating_mul(1 << doublings.min(16)).min(self.max),
        }
    }
}

/// The duration, longer or shorter by a random part of at most `fraction` of it.
pub(crate) fn jitter(duration: Duration, fraction: f64) -> Duration {
    duration.mul_f64(1.0 - fraction + 2.0 * fraction * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_limit() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };
        let delays = [0, 1, 2, 3, 5, 6, 40, u32::MAX].map(|failures| backoff.delay(failures).as_secs());
        assert_eq!(delays, [0, 1, 2, 4, 16, 30, 30, 30]);
    }

    #[test]
    fn jitter_stays_within_its_fraction_and_varies() {
        let durations: Vec<Duration> = (0..100).map(|_| jitter(Duration::from_secs(10), 0.2)).collect();
        assert!(durations.iter().all(|d| (8.0..=12.0).contains(&d.as_secs_f64())));
        assert!(durations.iter().any(|d| *d != durations[0]));
    }
}
