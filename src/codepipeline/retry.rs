//! The gateway's own retry loop. It repeats only what provably did nothing: a request that wasn't sent, one that AWS
//! throttled, and once one that AWS refused for the gateway's clock.
//!
//! The SDK's own strategy can't be used: it also repeats what may have happened, forgets the caller's deadline while
//! it waits, shares one token bucket over the process, and doesn't tell how many attempts it made.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::Progress;
use crate::error::{Failure, Outcome, Reason};

/// The first backoff is random between nothing and this (full jitter); each further one may be twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// No backoff of our own is longer. AWS may ask for more.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// An attempt's failure, with what the loop has to know besides.
#[derive(Debug)]
pub(super) struct AttemptFailed {
    pub(super) failure: Failure,
    /// A clock-skew rejection told AWS's time, so the next attempt is signed with it.
    pub(super) knows_aws_time: bool,
}

/// Makes attempts until one succeeds, fails for good, or there is no time or attempt left; the last failure is the
/// answer. A backoff that doesn't fit before the deadline isn't begun.
///
/// # Errors
/// The last attempt's failure.
pub(super) async fn attempts<T, A>(
    max_attempts: u32,
    deadline: Instant,
    progress: &Progress,
    attempt: impl Fn() -> A,
) -> Result<T, Failure>
where
    A: Future<Output = Result<T, AttemptFailed>>,
{
    let mut clock_corrected = false;
    let mut made = 0;
    loop {
        made += 1;
        let AttemptFailed { failure, knows_aws_time } = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        progress.attempt_failed(&failure);
        let corrects_clock = failure.reason == Reason::GatewayClockSkew && knows_aws_time && !clock_corrected;
        let safe = match failure.outcome {
            Outcome::NotSent => failure.reason == Reason::AwsUnreachable,
            Outcome::Rejected => failure.reason == Reason::AwsThrottled || corrects_clock,
            Outcome::Unknown => false,
        };
        // A corrected clock needs no waiting.
        let wait = if corrects_clock { Duration::ZERO } else { backoff(made, failure.retry_after) };
        if !safe || made >= max_attempts || Instant::now() + wait >= deadline {
            return Err(failure);
        }
        clock_corrected |= corrects_clock;
        tokio::time::sleep(wait).await;
    }
}

/// Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"); what AWS asks for comes first.
fn backoff(made: u32, asked: Option<Duration>) -> Duration {
    let ceiling = FIRST_BACKOFF.saturating_mul(1 << (made - 1).min(16)).min(MAX_BACKOFF);
    asked.unwrap_or_default() + ceiling.mul_f64(fastrand::f64())
}

impl From<Failure> for AttemptFailed {
    fn from(failure: Failure) -> Self {
        Self { failure, knows_aws_time: false }
    }
}
