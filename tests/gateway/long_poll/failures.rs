//! Failures of a shared poll reach all of its calls.

use std::time::{Duration, Instant};

use codepipeline_simulator::{CallMoment, Fault};
use tonic::Code;

use super::{POLL, WAITERS, Waiting, waiting_request, world};
use crate::harness::panicking::panicking_gateway;
use crate::harness::{PATIENCE, channel, unary, until_serving, within};

const INTERVAL: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_aws_reaches_all_waiting_calls() {
    let world = world(INTERVAL).await;
    let reset = Fault::Reset { when: CallMoment::AfterProcessing };
    let errors = [
        (Fault::error("ActionTypeNotFoundException"), Code::NotFound, "ACTION_TYPE_NOT_FOUND", "rejected"),
        (Fault::error("AccessDeniedException"), Code::Internal, "GATEWAY_ACCESS_DENIED", "rejected"),
        (Fault::status(503), Code::Unavailable, "AWS_UNAVAILABLE", "unknown"),
        (reset, Code::Unavailable, "AWS_CONNECTION_LOST", "unknown"),
    ];
    for (fault, code, reason, outcome) in errors {
        let waiting = [Waiting::start(&world, 1).await, Waiting::start(&world, 1).await];
        world.simulator.fault_operation(POLL, 1, fault);
        for waiting in waiting {
            let answer = waiting.answer().await;
            assert_eq!((answer.code(), answer.reason().as_str()), (code, reason));
            assert_eq!((answer.outcome().as_str(), answer.attempts()), (outcome, 1), "{reason}");
        }
        world.gateway.until_metric(WAITERS, |waiters| waiters == 0.0).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_poll_is_not_repeated_and_the_next_comes_later() {
    let world = world(INTERVAL).await;
    let waiting = Waiting::start(&world, 1).await;
    world.wait_for_requests(1).await;
    world.simulator.fault_operation(POLL, 1, Fault::error("ThrottlingException"));
    let answer = waiting.answer().await;
    let throttled_at = Instant::now();
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::ResourceExhausted, "AWS_THROTTLED"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("rejected", 1));
    assert!(answer.details().retry_info().is_some());

    let polls = world.request_count();
    let _waiting = Waiting::start(&world, 1).await;
    world.wait_for_requests(polls + 1).await;
    assert!(throttled_at.elapsed() >= INTERVAL, "{:?}", throttled_at.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_poller_ends_its_calls_and_not_the_polling() {
    let (address, shutdown, served) = panicking_gateway(true).await;
    until_serving(address).await;
    for _ in 0..2 {
        let request = waiting_request(1, super::LONG);
        let answer = within("an answer", PATIENCE, unary(channel(address), request)).await;
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::Internal, "GATEWAY_BUG"));
        assert_eq!(answer.outcome(), "unknown");
    }
    shutdown.stop();
    within("the end of the gateway", PATIENCE, served).await.unwrap().unwrap();
}
