//! The long poll: calls that wait for jobs of the same action type share one poller.
//!
//! `Poller::wait` puts a call into the queue of its action type. `Polling::run` polls AWS for each
//! queue, every interval, as long as a call waits in it. So a hundred waiting workers cost as many
//! calls to AWS as one.

mod polling;
mod queue;
mod queues;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::polling::Polling;
use self::queue::{PollResponse, Polled};
use self::queues::Queues;
use crate::call::Call;
use crate::error::{AwsResponse, Failure, Outcome, Reason};
use crate::operations::{ActionType, Poll};
use crate::telemetry::Metrics;

/// Time from GOAWAY to the end of the waiting calls. Their workers call again immediately, and some
/// client libraries fail a call that meets GOAWAY on its connection.
const AFTER_GOAWAY: Duration = Duration::from_millis(200);
/// How much earlier than its deadline a waiting call ends, so that it never ends with an error.
const DEADLINE_MARGIN: Duration = Duration::from_millis(10);

/// The limits of the long poll.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The least time between two polls for the same action type.
    pub interval: Duration,
    /// Most waiting calls over all connections. A further call is rejected.
    pub max_waiters: usize,
}

/// Where calls wait for jobs.
#[derive(Debug)]
pub struct Poller {
    queues: Arc<Queues>,
    permits: Semaphore,
    stopping: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Poller {
    /// A poller without waiting calls, and its polling. `stopping` is canceled when the gateway's
    /// shutdown begins.
    #[must_use]
    pub fn new(settings: Settings, stopping: CancellationToken, metrics: Arc<Metrics>) -> (Self, Polling) {
        let max_waiters = settings.max_waiters.min(Semaphore::MAX_PERMITS);
        let (queues, added) = Queues::new(max_waiters, metrics.clone());
        let polling = Polling::new(queues.clone(), added, settings.interval);
        (Self { queues, permits: Semaphore::new(max_waiters), stopping, metrics }, polling)
    }

    /// Waits until there are jobs. Returns without jobs when the time is over, the connection
    /// drains, or the gateway shuts down, so that a waiting call never holds a drain.
    ///
    /// The call gives up its permit of the in-flight limit.
    ///
    /// # Errors
    /// The failure of the poll, or `GATEWAY_OVERLOADED`: too many calls wait.
    pub async fn wait(&self, poll: &Poll, time: Duration, call: &Call) -> Result<Polled, Failure> {
        let deadline = call.deadline()?;
        let end = (call.started() + time).min(deadline.checked_sub(DEADLINE_MARGIN).unwrap_or(deadline));
        let mut waiter = self.join(poll)?;
        let draining = call.in_flight().release();
        let response = tokio::select! {
            // Jobs that are there count, even at the end.
            biased;
            response = &mut waiter.response => response.ok(),
            () = self.wait_is_over(end, draining) => Some(waiter.last_response()),
        };
        // Without a response, the polling of the queue ended with a panic.
        let bug = || Failure::new(Reason::GatewayBug, Outcome::Unknown);
        let PollResponse { attempts, result } = response.ok_or_else(bug)?;
        call.progress().attempts_of_poller(attempts);
        let jobs = result.as_ref().map_or(0, |(jobs, _)| jobs.len());
        self.metrics.jobs_polled(true, jobs);
        result
    }

    fn join<'a>(&'a self, poll: &'a Poll) -> Result<Waiter<'a>, Failure> {
        let permit = self.permits.try_acquire().map_err(|_| too_many())?;
        let (id, response) = self.queues.join(&poll.action_type, poll.capacity()).ok_or_else(too_many)?;
        self.metrics.poll_waiters.inc();
        Ok(Waiter { poller: self, action_type: &poll.action_type, id, response, _permit: permit })
    }

    /// Returns when a call must stop waiting.
    ///
    /// A call that arrives after the shutdown has begun waits until its connection drains. If it
    /// returned immediately, its worker would call again and again.
    async fn wait_is_over(&self, end: Instant, draining: CancellationToken) {
        let already_stopping = self.stopping.is_cancelled();
        tokio::select! {
            () = sleep_until(end) => {}
            () = async { draining.cancelled().await; sleep(AFTER_GOAWAY).await } => {}
            () = self.stopping.cancelled(), if !already_stopping => {}
        }
    }
}

/// A call in a queue. It leaves the queue when it is dropped.
struct Waiter<'a> {
    poller: &'a Poller,
    action_type: &'a ActionType,
    id: u64,
    response: oneshot::Receiver<PollResponse>,
    _permit: SemaphorePermit<'a>,
}

impl Waiter<'_> {
    /// Takes no further response. Returns one that has just arrived, and otherwise no jobs.
    fn last_response(&mut self) -> PollResponse {
        self.response.close();
        let empty = || PollResponse { attempts: 0, result: Ok((Vec::new(), AwsResponse::default())) };
        self.response.try_recv().unwrap_or_else(|_none| empty())
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.poller.metrics.poll_waiters.dec();
        self.response.close();
        self.poller.queues.leave(self.action_type, self.id, self.response.try_recv().ok());
    }
}

fn too_many() -> Failure {
    Failure::not_sent(Reason::GatewayOverloaded).with_message(
        "The gateway reached its limit of calls that wait for jobs. Nothing was sent. Retry later, or call \
         without a wait.",
    )
}
