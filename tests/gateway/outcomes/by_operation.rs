//! What each operation's caller gets after a failure, and what the gateway retries.

use std::time::Duration;

use codepipeline_simulator::{CallMoment, Fault, OperationName, Then};
use tonic::Code;

use crate::harness::operations::is_harmless;
use crate::harness::{Answer, AnyResponse, World, details_request, poll_request};

const POLL: OperationName = OperationName::PollForThirdPartyJobs;
const DETAILS: OperationName = OperationName::GetThirdPartyJobDetails;

/// Failures that leave the outcome unknown, and their reasons.
fn unknown_outcomes() -> Vec<(Fault, &'static str)> {
    use CallMoment::{AfterProcessing, AfterRequestRead};
    let cut = |process, http_status| Fault::CutBody { process, http_status, code: None };
    vec![
        (Fault::Reset { when: AfterRequestRead }, "AWS_CONNECTION_LOST"),
        (Fault::Reset { when: AfterProcessing }, "AWS_CONNECTION_LOST"),
        (Fault::Close { when: AfterRequestRead }, "AWS_CONNECTION_LOST"),
        (Fault::Close { when: AfterProcessing }, "AWS_CONNECTION_LOST"),
        (cut(true, None), "AWS_CONNECTION_LOST"),
        (cut(false, Some(503)), "AWS_UNAVAILABLE"),
        (Fault::status(500), "AWS_UNAVAILABLE"),
        (Fault::error("InternalFailure"), "AWS_UNAVAILABLE"),
        (Fault::status(408), "AWS_REQUEST_TIMEOUT"),
        (Fault::error("RequestTimeoutException"), "AWS_REQUEST_TIMEOUT"),
        (Fault::Hang { process: false }, "AWS_TIMEOUT"),
        (Fault::Hang { process: true }, "AWS_TIMEOUT"),
    ]
}

/// A world for all faults, except that another with short attempts has those that hang.
struct Worlds {
    usual: World,
    hasty: World,
}

impl Worlds {
    async fn start() -> Self {
        let hasty = World::changed(|settings| settings.aws.attempt_timeout = Duration::from_millis(500));
        Self { usual: World::start().await, hasty: hasty.await }
    }

    fn of(&self, fault: &Fault) -> &World {
        if matches!(fault, Fault::Hang { .. }) { &self.hasty } else { &self.usual }
    }

    async fn stop(self) {
        self.usual.stop().await;
        self.hasty.stop().await;
    }
}

fn assert_retry_is_safe(answer: &Answer<AnyResponse>, what: &str) {
    assert_eq!(answer.code(), Code::Unavailable, "{what}");
    assert!(answer.details().retry_info().is_some(), "{what}");
    assert_eq!(answer.header("grpc-retry-pushback-ms"), None, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_read_again_after_an_unknown_outcome() {
    let worlds = Worlds::start().await;
    for (fault, reason) in unknown_outcomes() {
        let (world, what) = (worlds.of(&fault), format!("{fault:?}"));
        world.add_for(DETAILS, "job-1");
        for failures in [1, 2] {
            let before = world.request_count();
            world.simulator.fault_operation(DETAILS, failures, fault.clone());
            world.call(DETAILS, "job-1").await.ok();
            assert_eq!(world.request_count() - before, failures as usize + 1, "{what}");
        }
        world.simulator.fault_operation(DETAILS, 3, fault);
        let answer = world.call(DETAILS, "job-1").await;
        assert_retry_is_safe(&answer, &what);
        assert_eq!((answer.reason().as_str(), answer.outcome().as_str()), (reason, "unknown"), "{what}");
        assert_eq!(answer.attempts(), 3, "{what}");
    }
    worlds.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_operation_is_retried_after_an_unknown_outcome() {
    let worlds = Worlds::start().await;
    for operation in OperationName::ALL.into_iter().filter(|operation| *operation != DETAILS) {
        for (number, (fault, reason)) in unknown_outcomes().into_iter().enumerate() {
            let (world, what) = (worlds.of(&fault), format!("{operation:?} {fault:?}"));
            let id = format!("{}-{number}", operation.as_str());
            world.add_for(operation, &id);
            let before = world.request_count();
            world.simulator.fault_operation(operation, 1, fault);
            let answer = world.call(operation, &id).await;
            assert_eq!((answer.reason().as_str(), answer.outcome().as_str()), (reason, "unknown"), "{what}");
            assert_eq!((answer.attempts(), world.request_count() - before), (1, 1), "{what}");
            if is_harmless(operation) {
                assert_retry_is_safe(&answer, &what);
                continue;
            }
            let code = if reason == "AWS_TIMEOUT" { Code::DeadlineExceeded } else { Code::Unknown };
            assert_eq!(answer.code(), code, "{what}");
            assert!(answer.details().retry_info().is_none(), "{what}");
            assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("-1"), "{what}");
        }
    }
    worlds.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_retried_after_throttling() {
    let world = World::start().await;
    for operation in OperationName::ALL {
        world.add_for(operation, "job-1");
        let before = world.request_count();
        world.simulator.fault_operation(operation, 2, Fault::error("ThrottlingException"));
        world.call(operation, "job-1").await.ok();
        assert_eq!(world.request_count() - before, 3, "{operation:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_retried_when_nothing_was_sent() {
    let world = World::start().await;
    for operation in OperationName::ALL {
        world.add_for(operation, "job-1");
        world.simulator.refuse_connections(true).await.unwrap();
        let answer = world.call(operation, "job-1").await;
        world.simulator.refuse_connections(false).await.unwrap();
        let what = format!("{operation:?}");
        assert_retry_is_safe(&answer, &what);
        assert_eq!(answer.reason(), "AWS_UNREACHABLE", "{what}");
        assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 3), "{what}");
        world.call(operation, "job-1").await.ok();
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_corrects_the_clock_once() {
    for operation in OperationName::ALL {
        let world = World::start().await;
        world.add_for(operation, "job-1");
        world.simulator.shift_clock(600);
        world.call(operation, "job-1").await.ok();
        assert_eq!(world.request_count(), 2, "{operation:?}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_retried_until_its_deadline() {
    // The default deadline, because a deadline of the client would race with the gateway.
    let deadline = Duration::from_millis(3500);
    let world = World::changed(|settings| settings.deadlines.default = deadline).await;
    let read = async || world.gateway.send(details_request("job-1")).await;
    // The second attempt starts although it can't end in time: a read has no side effects.
    let slow = Fault::Delay { ms: 2000, then: Then::Fault(Fault::status(500).into()) };
    for (fault, attempts) in [(slow, 2), (Fault::Hang { process: true }, 1)] {
        world.simulator.clear_faults();
        world.simulator.fault_operation(DETAILS, 3, fault);
        let answer = read().await;
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
        assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", attempts));
        assert_eq!(answer.header("grpc-retry-pushback-ms"), None, "a retry does no harm");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_result_ends_the_job_exactly_once() {
    let world = World::start().await;
    for operation in
        [OperationName::PutThirdPartyJobSuccessResult, OperationName::PutThirdPartyJobFailureResult]
    {
        for (when, repeated) in
            [(CallMoment::AfterRequestRead, None), (CallMoment::AfterProcessing, Some("INVALID_JOB_STATE"))]
        {
            let id = format!("{operation:?}-{when:?}");
            world.add_for(operation, &id);
            world.simulator.fault_job(&id, Fault::Reset { when });
            assert_eq!(world.call(operation, &id).await.outcome(), "unknown", "{id}");
            let again = world.call(operation, &id).await;
            assert_eq!(again.result.is_err().then(|| again.reason()).as_deref(), repeated, "{id}");
            assert_eq!(world.simulator.ledger(&id).results.len(), 1, "{id}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_poll_delays_its_jobs_and_loses_none() {
    let world = World::start().await;
    world.add_for(POLL, "job-1");
    world.simulator.fault_operation(POLL, 1, Fault::Reset { when: CallMoment::AfterProcessing });
    assert_retry_is_safe(&world.call(POLL, "").await, "a lost poll");
    let jobs = async || {
        let answer = world.gateway.send(poll_request()).await;
        answer.ok().jobs.iter().map(|job| job.job_id.clone()).collect::<Vec<_>>()
    };
    assert!(jobs().await.is_empty(), "AWS dispatched the job to the lost poll");
    world.simulator.advance_clock(Duration::from_secs(15));
    assert_eq!(jobs().await, ["job-1"]);
    assert_eq!(world.simulator.ledger("job-1").dispatched, 2);
    let answer = world.gateway.send(details_request("job-1")).await;
    assert_eq!(answer.ok().job_details.as_ref().unwrap().id, "job-1");
    world.stop().await;
}
