//! How often the issuer's keys are looked for, and how long they hold.

use std::time::Duration;

/// How often keys are looked for. The defaults are the command's; tests are in more of a hurry.
#[derive(Clone, Copy, Debug)]
pub struct RefreshSchedule {
    /// In a file. A Kubernetes volume takes a minute to change, and looking costs next to nothing.
    pub file: Duration,
    /// At a URL, a tenth more or less, so that replicas don't come together.
    pub url: Duration,
    /// After a failure: the wait doubles from this one to the last, and is never longer than without it.
    pub first_retry: Duration,
    /// The longest of those waits.
    pub last_retry: Duration,
    /// How often unknown keys in tokens may cause a look, whatever callers send.
    pub asked: Duration,
    /// How old the last good look may be before the keys hold no longer.
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
    /// How long until the next look, after so many failures in a row.
    pub(super) fn wait(&self, is_file: bool, failures: u32) -> Duration {
        let usual = if is_file { self.file } else { self.url.mul_f64(0.9 + 0.2 * fastrand::f64()) };
        match failures.checked_sub(1) {
            None => usual,
            Some(more) => self.first_retry.saturating_mul(1 << more.min(16)).min(self.last_retry).min(usual),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_after_each_failure_to_a_minute() {
        let waits = |is_file| {
            [0, 1, 2, 3, 6, 7, 40, u32::MAX]
                .map(|failures| RefreshSchedule::default().wait(is_file, failures).as_secs())
        };
        assert_eq!(waits(true), [5, 1, 2, 4, 5, 5, 5, 5]);
        let [usual, after @ ..] = waits(false);
        assert!((270..=330).contains(&usual), "{usual}");
        assert_eq!(after, [1, 2, 4, 32, 60, 60, 60]);
    }
}
