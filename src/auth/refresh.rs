//! Schedules how often the issuer's keys are refreshed and how long they remain usable.

use std::time::Duration;

use tokio::time::Instant;

use crate::util::backoff::{Backoff, jitter};

/// The share by which the interval for URLs varies, so that replicas don't refresh together.
const URL_JITTER: f64 = 0.1;

/// The intervals between key refreshes. The defaults are the command's. Tests use shorter ones.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSchedule {
    /// The interval for a file. A read is cheap, and Kubernetes updates a volume within a minute.
    pub file: Duration,
    /// The average interval for a URL.
    pub url: Duration,
    /// The delay after the first failure. It doubles with each failure in a row.
    pub first_retry: Duration,
    /// The longest delay after a failure. A delay is never longer than the regular interval.
    pub last_retry: Duration,
    /// The minimum interval between refreshes that unknown key IDs in tokens cause.
    pub asked: Duration,
    /// The age at which the keys become unusable, counted from the last successful refresh.
    pub stale: Duration,
}

impl Default for RefreshSchedule {
    fn default() -> Self {
        Self {
            file: Duration::from_secs(5),
            url: Duration::from_secs(5 * 60),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            asked: Duration::from_secs(10),
            stale: Duration::from_secs(24 * 3600),
        }
    }
}

impl RefreshSchedule {
    /// The delay until the next refresh after this many failures in a row.
    pub(super) fn delay(&self, is_file: bool, failures: u32) -> Duration {
        let regular = if is_file { self.file } else { jitter(self.url, URL_JITTER) };
        let backoff = Backoff { first: self.first_retry, max: self.last_retry };
        if failures == 0 { regular } else { backoff.delay(failures).min(regular) }
    }

    /// Whether keys that a refresh last loaded at this time are unusable.
    pub(super) fn is_stale(&self, seen: Instant) -> bool {
        seen.elapsed() >= self.stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_after_each_failure_up_to_a_minute() {
        let delays = |is_file| {
            [0, 1, 2, 3, 6, 7, 40, u32::MAX]
                .map(|failures| RefreshSchedule::default().delay(is_file, failures).as_secs())
        };
        assert_eq!(delays(true), [5, 1, 2, 4, 5, 5, 5, 5]);
        let [regular, after_failures @ ..] = delays(false);
        assert!((270..=330).contains(&regular), "{regular}");
        assert_eq!(after_failures, [1, 2, 4, 32, 60, 60, 60]);
    }
}
