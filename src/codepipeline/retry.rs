//! The gateway's own retry loop. It retries only what provably had no effect: a request that
//! wasn't sent, a throttled request, and once a request that AWS rejected because of the gateway's
//! clock. An operation without effects is also retried after an unknown outcome.
//!
//! The SDK's own strategy doesn't fit. It also retries requests with an unknown outcome, ignores
//! the caller's deadline during a backoff, shares one token bucket with the whole process, and
//! doesn't report the number of attempts.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::Progress;
use crate::error::{Failure, Outcome, Reason};
use crate::methods::Idempotency;
use crate::util::backoff::Backoff;

/// The first backoff is a random time of up to `first` (full jitter). Each further one can be twice
/// as long. AWS can ask for a longer delay than `max`.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) };

/// What limits the attempts of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// The maximum number of attempts; at least 1.
    pub(super) max_attempts: u32,
    /// No attempt and no backoff starts that can't end before this.
    pub(super) deadline: Instant,
    /// What a second call of the operation does.
    pub(super) idempotency: Idempotency,
    /// Whether to ask AWS again if it throttles an attempt.
    pub(super) retries_throttling: bool,
}

/// An attempt's failure, and the facts that the loop also needs.
#[derive(Debug)]
pub(super) struct AttemptFailed {
    pub(super) failure: Failure,
    /// A clock-skew rejection contained AWS's time, so the next attempt is signed with that time.
    pub(super) knows_aws_time: bool,
}

/// Makes attempts until one succeeds, fails for good, or no time or attempt is left. The last
/// failure is the result.
///
/// After a failure without effect, nothing starts that doesn't fit before the deadline, judged by
/// the duration of the last attempt: a canceled attempt would turn it into an unknown outcome.
///
/// # Errors
/// The last attempt's failure, or that no time was left for an attempt.
pub(super) async fn attempts<T, A>(
    policy: Policy,
    progress: &Progress,
    attempt: impl Fn() -> A,
) -> Result<T, Failure>
where
    A: Future<Output = Result<T, AttemptFailed>>,
{
    let mut clock_corrected = false;
    let mut made = 0;
    let mut last = Failure::not_sent(Reason::DeadlineExceeded);
    loop {
        // Also checked after a backoff: a timer can fire later than the remaining time.
        let begun = Instant::now();
        if begun >= policy.deadline {
            return Err(last);
        }
        made += 1;
        let AttemptFailed { failure, knows_aws_time } = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        progress.attempt_failed(&failure);
        let corrects_clock = failure.reason == Reason::GatewayClockSkew && knows_aws_time && !clock_corrected;
        let safe = match failure.outcome {
            Outcome::NotSent => failure.reason == Reason::AwsUnreachable,
            Outcome::Rejected => {
                corrects_clock || (failure.reason == Reason::AwsThrottled && policy.retries_throttling)
            }
            Outcome::Unknown => {
                policy.idempotency == Idempotency::NoSideEffects && failure.reason != Reason::AwsBadResponse
            }
        };
        // A corrected clock needs no delay.
        let wait = if corrects_clock { Duration::ZERO } else { backoff(made, failure.retry_after) };
        // The outcome is unknown already, so a canceled attempt makes nothing worse.
        let duration = if failure.outcome == Outcome::Unknown { Duration::ZERO } else { begun.elapsed() };
        let fits = Instant::now() + wait + duration < policy.deadline;
        clock_corrected |= corrects_clock;
        // An attempt that wasn't sent doesn't change the effect of an earlier attempt.
        if failure.outcome != Outcome::NotSent || last.outcome != Outcome::Unknown {
            last = failure;
        }
        if !safe || made >= policy.max_attempts || !fits {
            return Err(last);
        }
        tokio::time::sleep(wait).await;
    }
}

/// Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), after the delay that AWS
/// asks for.
fn backoff(made: u32, asked: Option<Duration>) -> Duration {
    asked.unwrap_or_default() + BACKOFF.delay(made).mul_f64(fastrand::f64())
}

impl From<Failure> for AttemptFailed {
    fn from(failure: Failure) -> Self {
        Self { failure, knows_aws_time: false }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn policy(max_attempts: u32, time: Duration, idempotency: Idempotency) -> Policy {
        Policy { max_attempts, deadline: Instant::now() + time, idempotency, retries_throttling: true }
    }

    /// Runs the loop on a paused clock. The attempts fail with these failures, then one succeeds.
    async fn run(
        failures: Vec<AttemptFailed>,
        max_attempts: u32,
        time: Duration,
    ) -> (Result<(), Failure>, usize) {
        let progress = Progress::default();
        let (next, made) = (Cell::new(failures.into_iter()), Cell::new(0));
        let policy = policy(max_attempts, time, Idempotency::None);
        let result = attempts(policy, &progress, || {
            made.set(made.get() + 1);
            let mut left = next.take();
            let failed = left.next();
            next.set(left);
            async move { failed.map_or(Ok(()), Err) }
        });
        (result.await, made.get())
    }

    fn failed(reason: Reason, outcome: Outcome) -> AttemptFailed {
        Failure::new(reason, outcome).into()
    }

    fn skewed() -> AttemptFailed {
        AttemptFailed { knows_aws_time: true, ..failed(Reason::GatewayClockSkew, Outcome::Rejected) }
    }

    fn throttled(asked: Option<Duration>) -> AttemptFailed {
        Failure { retry_after: asked, ..Failure::new(Reason::AwsThrottled, Outcome::Rejected) }.into()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn only_what_provably_did_nothing_is_repeated() {
        for reason in Reason::ALL {
            for outcome in [Outcome::NotSent, Outcome::Rejected, Outcome::Unknown] {
                let safe = matches!(
                    (reason, outcome),
                    (Reason::AwsUnreachable, Outcome::NotSent) | (Reason::AwsThrottled, Outcome::Rejected)
                );
                let (result, made) = run(vec![failed(*reason, outcome)], 3, LONG).await;
                assert_eq!(
                    (result.is_ok(), made),
                    (safe, if safe { 2 } else { 1 }),
                    "{reason:?} {outcome:?}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_retried_only_where_a_second_call_has_no_effect() {
        let reasons = [
            Reason::AwsUnavailable,
            Reason::AwsConnectionLost,
            Reason::AwsTimeout,
            Reason::AwsRequestTimeout,
        ];
        for idempotency in [Idempotency::None, Idempotency::Retryable, Idempotency::NoSideEffects] {
            for reason in reasons {
                let made = Cell::new(0);
                let policy = policy(3, LONG, idempotency);
                let _ = attempts(policy, &Progress::default(), || {
                    made.set(made.get() + 1);
                    async move { Err::<(), _>(failed(reason, Outcome::Unknown)) }
                })
                .await;
                let expected = if idempotency == Idempotency::NoSideEffects { 3 } else { 1 };
                assert_eq!(made.get(), expected, "{reason:?} {idempotency:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_was_not_sent_does_not_hide_an_unknown_one() {
        let failures = Cell::new(vec![
            failed(Reason::AwsUnreachable, Outcome::NotSent),
            failed(Reason::AwsConnectionLost, Outcome::Unknown),
        ]);
        let policy = policy(2, LONG, Idempotency::NoSideEffects);
        let progress = Progress::default();
        let result = attempts(policy, &progress, || {
            let mut left = failures.take();
            let failed = left.pop();
            failures.set(left);
            async move { failed.map_or(Ok(()), Err) }
        });
        let failure = result.await.unwrap_err();
        assert_eq!((failure.reason, failure.outcome), (Reason::AwsConnectionLost, Outcome::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_timed_out_is_retried_in_the_rest_of_its_time() {
        let policy = policy(3, Duration::from_secs(10), Idempotency::NoSideEffects);
        let made = Cell::new(0);
        let progress = Progress::default();
        let result = attempts(policy, &progress, || {
            made.set(made.get() + 1);
            let first = made.get() == 1;
            async move {
                if !first {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_secs(6)).await;
                Err(failed(Reason::AwsTimeout, Outcome::Unknown))
            }
        });
        assert_eq!((result.await, made.get()), (Ok(()), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_is_corrected_once_and_without_waiting() {
        let begun = Instant::now();
        assert_eq!(run(vec![skewed()], 3, LONG).await, (Ok(()), 2));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(run(vec![skewed(), skewed()], 9, LONG).await.1, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_can_leave_throttling_to_the_caller() {
        let (made, progress) = (Cell::new(0), Progress::default());
        let policy = Policy { retries_throttling: false, ..policy(3, LONG, Idempotency::Retryable) };
        let result = attempts(policy, &progress, || {
            made.set(made.get() + 1);
            async { Err::<(), _>(throttled(None)) }
        });
        assert_eq!((result.await.unwrap_err().reason, made.get()), (Reason::AwsThrottled, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_and_time_are_limits() {
        let many = || (0..9).map(|_| throttled(None)).collect::<Vec<_>>();
        assert_eq!(run(many(), 1, LONG).await.1, 1);
        assert_eq!(run(many(), 4, LONG).await.1, 4);
        let begun = Instant::now();
        let (result, made) =
            run(vec![throttled(Some(Duration::from_secs(5)))], 3, Duration::from_secs(4)).await;
        assert_eq!((result.map_err(|failure| failure.reason), made), (Err(Reason::AwsThrottled), 1));
        assert_eq!(begun.elapsed(), Duration::ZERO, "a backoff that doesn't fit isn't begun");
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_without_time_for_an_answer() {
        for _ in 0..2000 {
            let (deadline, cut) = (Instant::now() + Duration::from_millis(120), Cell::new(0));
            let progress = Progress::default();
            let policy = Policy { deadline, ..policy(9, LONG, Idempotency::None) };
            let result = attempts(policy, &progress, || {
                if Instant::now() + Duration::from_millis(30) > deadline {
                    cut.set(cut.get() + 1);
                }
                async {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    Err::<(), _>(throttled(None))
                }
            });
            assert_eq!(result.await.unwrap_err().reason, Reason::AwsThrottled);
            assert_eq!(cut.get(), 0, "attempts that would have been cut off");
        }
        let (result, made) = run(Vec::new(), 3, Duration::ZERO).await;
        assert_eq!((result, made), (Err(Failure::not_sent(Reason::DeadlineExceeded)), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backoff_is_at_least_what_aws_asks_and_else_within_its_ceiling() {
        let asked = Duration::from_secs(3);
        let begun = Instant::now();
        assert_eq!(run(vec![throttled(Some(asked))], 3, LONG).await.1, 2);
        assert!(begun.elapsed() >= asked);
        assert!((1..200).all(|made| backoff(made, None) <= BACKOFF.max));
        assert!((0..200).all(|_| backoff(1, None) <= BACKOFF.first));
    }
}
