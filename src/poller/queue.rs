//! The calls that wait for jobs of one action type, in the order in which they arrived.

use std::collections::VecDeque;
use std::mem;

use tokio::sync::oneshot;

use crate::error::{AwsResponse, Failure};
use crate::operations::PolledJob;

/// Jobs, and what AWS returned with them.
pub(super) type Polled = (Vec<PolledJob>, AwsResponse);

/// The result of a poll. A waiting call gets its part of it.
#[derive(Debug)]
pub(super) struct PollResponse {
    /// How many attempts the poll made.
    pub(super) attempts: u32,
    pub(super) result: Result<Polled, Failure>,
}

/// The waiting calls of one action type.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next_id: u64,
    waiters: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    /// The maximum number of jobs that the call takes.
    capacity: usize,
    response: oneshot::Sender<PollResponse>,
}

impl Queue {
    /// Adds a call at the end. Returns its id, and where its response arrives.
    pub(super) fn join(&mut self, capacity: usize) -> (u64, oneshot::Receiver<PollResponse>) {
        let (response, received) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        self.waiters.push_back(Waiter { id, capacity, response });
        (id, received)
    }

    /// Removes a call that waits no longer.
    pub(super) fn leave(&mut self, id: u64) {
        if let Ok(index) = self.waiters.binary_search_by_key(&id, |waiter| waiter.id) {
            self.waiters.remove(index);
        }
    }

    /// The number of jobs that the waiting calls take together.
    pub(super) fn capacity(&self) -> usize {
        self.waiters.iter().map(|waiter| waiter.capacity).sum()
    }

    /// Gives each call, in the order of arrival, as many jobs as it takes. Returns the jobs that
    /// are left without a call.
    pub(super) fn hand_out(
        &mut self,
        mut jobs: Vec<PolledJob>,
        aws: &AwsResponse,
        attempts: u32,
    ) -> Vec<PolledJob> {
        while !jobs.is_empty() {
            let Some(Waiter { capacity, response, .. }) = self.waiters.pop_front() else { break };
            let rest = jobs.split_off(capacity.min(jobs.len()));
            let batch = mem::replace(&mut jobs, rest);
            // Fails if the call has just ended. Its jobs then go to the next one.
            let unsent = response.send(PollResponse { attempts, result: Ok((batch, aws.clone())) });
            if let Err(PollResponse { result: Ok((mut batch, _)), .. }) = unsent {
                batch.append(&mut jobs);
                jobs = batch;
            }
        }
        jobs
    }

    /// Ends all calls with this failure.
    pub(super) fn fail(&mut self, failure: &Failure, attempts: u32) {
        for waiter in self.waiters.drain(..) {
            // A call that has just ended needs no response.
            let _ = waiter.response.send(PollResponse { attempts, result: Err(failure.clone()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    /// Hands out jobs with these ids. Returns the ids of those that are left.
    fn hand_out(queue: &mut Queue, ids: &[&str]) -> Vec<String> {
        let job = |id: &&str| PolledJob { job_id: (*id).into(), client_id: "client-1".into() };
        let left = queue.hand_out(ids.iter().map(job).collect(), &AwsResponse::default(), 1);
        left.into_iter().map(|job| job.job_id).collect()
    }

    /// The ids of the jobs that a call got; none if it got no response.
    fn received(response: &mut oneshot::Receiver<PollResponse>) -> Option<Vec<String>> {
        let (jobs, _) = response.try_recv().ok()?.result.unwrap();
        Some(jobs.into_iter().map(|job| job.job_id).collect())
    }

    #[test]
    fn calls_get_jobs_in_the_order_of_arrival_as_many_as_they_take() {
        let mut queue = Queue::default();
        let (mut responses, capacity) = (Vec::new(), [2, 1, 3, 1]);
        responses.extend(capacity.map(|capacity| queue.join(capacity).1));
        assert_eq!(queue.capacity(), 7);
        assert!(hand_out(&mut queue, &["a", "b", "c", "d"]).is_empty());
        let got: Vec<_> = responses.iter_mut().map(received).collect();
        let expected = [Some(vec!["a", "b"]), Some(vec!["c"]), Some(vec!["d"]), None];
        assert_eq!(got, expected.map(|jobs| jobs.map(|jobs| jobs.into_iter().map(String::from).collect())));
        assert_eq!(queue.capacity(), 1, "the last call still waits");
    }

    #[test]
    fn jobs_of_a_call_that_ended_go_to_the_next_and_the_rest_is_left() {
        let mut queue = Queue::default();
        let (_, gone) = queue.join(2);
        let (_, mut next) = queue.join(1);
        drop(gone);
        assert_eq!(hand_out(&mut queue, &["a", "b", "c"]), ["b", "c"]);
        assert_eq!(received(&mut next).unwrap(), ["a"]);
    }

    #[test]
    fn a_call_that_left_takes_no_place() {
        let mut queue = Queue::default();
        let joined: Vec<_> = (1..=5).map(|capacity| queue.join(capacity)).collect();
        for (id, _) in [&joined[0], &joined[3]] {
            queue.leave(*id);
            queue.leave(*id);
        }
        assert_eq!(queue.capacity(), 2 + 3 + 5);
    }

    #[test]
    fn a_failure_reaches_all_calls() {
        let mut queue = Queue::default();
        let responses = [queue.join(1).1, queue.join(1).1];
        let failure = Failure::not_sent(Reason::AwsUnreachable);
        queue.fail(&failure, 1);
        for mut response in responses {
            assert_eq!(response.try_recv().unwrap().result.unwrap_err(), failure);
        }
        assert_eq!(queue.capacity(), 0);
    }
}
