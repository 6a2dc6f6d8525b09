//! The queues of all action types. A queue exists as long as its action type is polled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::queue::{PollResponse, Queue};
use crate::operations::{ActionType, PolledJob};
use crate::telemetry::Metrics;

/// The queues of all action types.
#[derive(Debug)]
pub(super) struct Queues {
    by_action_type: Mutex<HashMap<ActionType, Queue>>,
    /// The most queues. A queue can outlast its last waiter by an interval, so that a caller with
    /// many action types could otherwise add queues without a limit.
    max: usize,
    /// Receives each action type that must be polled from now on.
    new: mpsc::UnboundedSender<ActionType>,
    metrics: Arc<Metrics>,
}

impl Queues {
    /// No queues yet. The receiver gets each action type that must be polled from now on.
    pub(super) fn new(max: usize, metrics: Arc<Metrics>) -> (Arc<Self>, mpsc::UnboundedReceiver<ActionType>) {
        let (new, added) = mpsc::unbounded_channel();
        (Arc::new(Self { by_action_type: Mutex::default(), max, new, metrics }), added)
    }

    /// Adds a call to the queue of an action type; none if there are too many queues.
    pub(super) fn join(
        &self,
        action_type: &ActionType,
        capacity: usize,
    ) -> Option<(u64, oneshot::Receiver<PollResponse>)> {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(action_type) {
            return Some(queue.join(capacity));
        }
        if queues.len() >= self.max {
            return None;
        }
        // Fails only when the gateway ends, which closes the connection of this call too.
        let _ = self.new.send(action_type.clone());
        Some(queues.entry(action_type.clone()).or_default().join(capacity))
    }

    /// Removes a call that waits no longer. Jobs that it was given and didn't take go to the next
    /// call.
    pub(super) fn leave(&self, action_type: &ActionType, id: u64, untaken: Option<PollResponse>) {
        if let Some(queue) = self.lock().get_mut(action_type) {
            queue.leave(id);
        }
        if let Some(response @ PollResponse { result: Ok(_), .. }) = untaken {
            self.respond(action_type, response);
        }
    }

    /// The number of jobs that the waiting calls take together. Removes the queue if no call waits.
    pub(super) fn capacity_or_remove(&self, action_type: &ActionType) -> Option<usize> {
        let mut queues = self.lock();
        let capacity = queues.get(action_type).map_or(0, Queue::capacity);
        if capacity == 0 {
            queues.remove(action_type);
            return None;
        }
        Some(capacity)
    }

    /// Hands out the jobs of a poll, or ends all waiting calls with its failure.
    pub(super) fn respond(&self, action_type: &ActionType, response: PollResponse) {
        let mut queues = self.lock();
        let queue = queues.get_mut(action_type);
        let left = match (response.result, queue) {
            (Ok((jobs, aws)), Some(queue)) => queue.hand_out(jobs, &aws, response.attempts),
            (Ok((jobs, _)), None) => jobs,
            (Err(failure), Some(queue)) => return queue.fail(&failure, response.attempts),
            (Err(_), None) => return,
        };
        drop(queues);
        self.undelivered(&left);
    }

    /// Removes a queue whose polling ended with a panic. Its calls see that their sender is gone.
    pub(super) fn remove(&self, action_type: &ActionType) {
        self.lock().remove(action_type);
    }

    fn undelivered(&self, jobs: &[PolledJob]) {
        self.metrics.jobs_polled(false, jobs.len());
        for job in jobs {
            tracing::info!(
                job_id = job.job_id,
                client_id = job.client_id,
                "no call waits for this job any more; CodePipeline hands it out again"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ActionType, Queue>> {
        // No code under the lock leaves a half-changed queue if it panics.
        self.by_action_type.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
