//! Polls AWS for the queues, each as long as calls wait in it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::queue::{PollResponse, Polled};
use super::queues::Queues;
use crate::call::Call;
use crate::codepipeline::CodePipeline;
use crate::error::{Failure, Reason};
use crate::methods::POLL;
use crate::operations::{ActionType, MAX_BATCH_SIZE, Poll};
use crate::util::backoff::Backoff;

/// The longest pause while AWS throttles, unless the interval is longer.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a poll that returned as many jobs as it asked for, unless the interval is
/// shorter. AWS probably has more.
const PAUSE_AFTER_FULL_BATCH: Duration = Duration::from_secs(1);
/// The random part of a pause, so that replicas don't poll at the same time. A pause only gets
/// longer: the interval is the least time between two polls.
const PAUSE_JITTER: f64 = 0.1;

/// Polls AWS for the waiting calls.
#[derive(Debug)]
pub struct Polling {
    queues: Arc<Queues>,
    added: mpsc::UnboundedReceiver<ActionType>,
    interval: Duration,
}

impl Polling {
    pub(super) fn new(
        queues: Arc<Queues>,
        added: mpsc::UnboundedReceiver<ActionType>,
        interval: Duration,
    ) -> Self {
        Self { queues, added, interval }
    }

    /// Polls for all queues until the caller drops this future. A poll doesn't end with the calls
    /// that wait for it: AWS would dispatch its jobs all the same.
    pub async fn run<C: CodePipeline>(mut self, codepipeline: Arc<C>, region: Arc<str>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                Some(action_type) = self.added.recv() => {
                    let (queues, of) = (self.queues.clone(), action_type.clone());
                    let settings = (region.clone(), self.interval);
                    let polling = poll_while_waited_for(queues, of, codepipeline.clone(), settings);
                    let queues = self.queues.clone();
                    tasks.spawn(async move {
                        // The panic's text isn't used: it can contain secrets, and the hook has
                        // logged its location.
                        if AssertUnwindSafe(polling).catch_unwind().await.is_err() {
                            queues.remove(&action_type);
                        }
                    });
                }
                Some(_ended) = tasks.join_next() => {}
                else => return std::future::pending().await,
            }
        }
    }
}

/// Polls for one action type until no call waits for it at the time of a poll.
async fn poll_while_waited_for<C: CodePipeline>(
    queues: Arc<Queues>,
    action_type: ActionType,
    codepipeline: Arc<C>,
    (region, interval): (Arc<str>, Duration),
) {
    let mut schedule = PollSchedule { interval, throttled: 0 };
    while let Some(capacity) = queues.capacity_or_remove(&action_type) {
        let begun = Instant::now();
        let batch = capacity.min(MAX_BATCH_SIZE);
        let max_batch_size = i32::try_from(batch).ok();
        let poll = Poll { action_type: action_type.clone(), max_batch_size, wait: None };
        let call = Call::background(&POLL, begun + interval, region.clone());
        let result = codepipeline.call(&poll, &call).await;
        let (attempts, pause) = (call.progress().attempts(), schedule.after(batch, &result));
        queues.respond(&action_type, PollResponse { attempts, result });
        sleep_until(begun + pause.mul_f64(1.0 + PAUSE_JITTER * fastrand::f64())).await;
    }
}

/// How often AWS is polled.
struct PollSchedule {
    interval: Duration,
    /// How many polls in a row were throttled.
    throttled: u32,
}

impl PollSchedule {
    /// The time from a poll for this many jobs to the next poll.
    fn after(&mut self, batch: usize, result: &Result<Polled, Failure>) -> Duration {
        if result.as_ref().is_ok_and(|(jobs, _)| jobs.len() >= batch) {
            self.throttled = 0;
            return self.interval.min(PAUSE_AFTER_FULL_BATCH);
        }
        let throttling = result.as_ref().err().filter(|failure| failure.reason == Reason::AwsThrottled);
        self.throttled = if throttling.is_some() { self.throttled + 1 } else { 0 };
        let backoff = Backoff { first: self.interval.saturating_mul(2), max: MAX_PAUSE };
        let asked = throttling.and_then(|failure| failure.retry_after).unwrap_or_default();
        self.interval.max(backoff.delay(self.throttled)).max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{AwsResponse, Outcome};
    use crate::operations::PolledJob;

    fn jobs(count: usize) -> Polled {
        let job = PolledJob { job_id: "job".into(), client_id: "client".into() };
        (vec![job; count], AwsResponse::default())
    }

    fn throttled(retry_after: Option<Duration>) -> Result<Polled, Failure> {
        Err(Failure { retry_after, ..Failure::new(Reason::AwsThrottled, Outcome::Rejected) })
    }

    #[test]
    fn the_pause_is_the_interval_and_shorter_after_a_full_batch() {
        let mut schedule = PollSchedule { interval: Duration::from_secs(5), throttled: 0 };
        for (count, seconds) in [(0, 5), (9, 5), (10, 1), (11, 1), (0, 5)] {
            assert_eq!(schedule.after(10, &Ok(jobs(count))).as_secs(), seconds, "{count}");
        }
        let unavailable = Err(Failure::new(Reason::AwsUnavailable, Outcome::Unknown));
        assert_eq!(schedule.after(10, &unavailable).as_secs(), 5);
    }

    #[test]
    fn the_pause_doubles_while_aws_throttles() {
        let mut schedule = PollSchedule { interval: Duration::from_secs(5), throttled: 0 };
        for seconds in [10, 20, 40, 60, 60] {
            assert_eq!(schedule.after(1, &throttled(None)).as_secs(), seconds);
        }
        assert_eq!(schedule.after(1, &Ok(jobs(0))).as_secs(), 5);
        assert_eq!(schedule.after(1, &throttled(Some(Duration::from_secs(30)))).as_secs(), 30);
        let mut slow = PollSchedule { interval: Duration::from_secs(300), throttled: 0 };
        assert_eq!(slow.after(1, &throttled(None)).as_secs(), 300, "never less than the interval");
    }
}
