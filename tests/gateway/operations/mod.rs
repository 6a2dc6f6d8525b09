//! One file per operation: the behavior that no other operation has.

mod acknowledge;
mod artifacts;
mod details;
mod failure;
mod poll;
mod success;

use std::fmt::Debug;

use codepipeline_simulator::OperationName;
use tonic::Code;

use crate::harness::{Answer, JobRequest, World, job_for};

/// A text field of a request: its path, its shortest and longest length, and how to set it.
type TextField<Q> = (&'static str, usize, usize, fn(&mut Q, String));

/// Asserts that the limits of these fields are exact and count characters. `call` must get an error
/// also for a valid request, for example because its job doesn't exist.
async fn assert_limits<Q: Clone, R: Debug, F: Future<Output = Answer<R>>>(
    request: &Q,
    fields: &[TextField<Q>],
    call: impl Fn(Q) -> F,
) {
    for (field, min, max, set) in fields {
        for character in ["a", "é", "€", "🦀", "\u{301}"] {
            for (length, fits) in [(0, *min == 0), (1, true), (*max, true), (max + 1, false)] {
                let mut request = request.clone();
                set(&mut request, character.repeat(length));
                let answer = call(request).await;
                let what = format!("{length} × {character:?} as {field}");
                let named = answer.details().bad_request().map(|bad| bad.field_violations[0].field.clone());
                assert_eq!(answer.attempts(), u32::from(fits), "{what}");
                assert_eq!(named.as_deref(), (!fits).then_some(*field), "{what}");
            }
        }
    }
}

/// Asserts that this result for `job-1` is rejected unless the job is in progress.
async fn assert_ends_only_in_progress<Q: JobRequest>(operation: OperationName, request: &Q) {
    let world = World::start().await;
    for status in ["Queued", "Dispatched", "Succeeded", "Failed", "TimedOut"] {
        world.simulator.add_job(job_for(operation, "job-1").with_status(status));
        let answer = world.gateway.send(request.clone()).await;
        let seen = (answer.code(), answer.reason());
        assert_eq!(seen, (Code::FailedPrecondition, "INVALID_JOB_STATE".to_owned()), "{status}");
        assert_eq!((answer.outcome().as_str(), answer.attempts()), ("rejected", 1), "{status}");
        assert!(world.simulator.ledger("job-1").results.is_empty(), "{status}");
    }
    world.stop().await;
}
