//! The limit of waiting calls, and the in-flight limit beside it.

use std::time::Duration;

use codepipeline_gateway::operations::{ActionTypes, Policy};
use tonic::Code;

use super::{LONG, WAITERS, Waiting, changed_world, waiting_request};
use crate::harness::unary;

const INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn waiting_calls_have_a_limit_of_their_own() {
    let world = changed_world(INTERVAL, |settings| {
        settings.poll.max_waiters = 2;
        settings.max_in_flight = 1;
    })
    .await;
    let waiting = [Waiting::start(&world, 1).await, Waiting::start(&world, 1).await];
    let answer = unary(world.gateway.channel.clone(), waiting_request(1, LONG)).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::ResourceExhausted, "GATEWAY_OVERLOADED"));
    assert_eq!(answer.outcome(), "not_sent");
    assert!(answer.details().retry_info().is_some());

    // The waiting calls hold no permit of the in-flight limit.
    world.gateway.until_metric("codepipeline_gateway_in_flight", |calls| calls == 0.0).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();

    drop(waiting);
    world.gateway.until_metric(WAITERS, |waiters| waiters == 0.0).await;
    let _waiting = Waiting::start(&world, 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_type_that_is_not_allowed_cannot_be_waited_for() {
    let allowed = ActionTypes::new(vec!["Build/*/*/*".parse().unwrap()]);
    let world = changed_world(INTERVAL, |settings| {
        settings.policy = Policy { action_types: allowed, ..Policy::default() };
    })
    .await;
    let answer = unary(world.gateway.channel.clone(), waiting_request(1, LONG)).await;
    assert_eq!(
        (answer.code(), answer.reason().as_str()),
        (Code::PermissionDenied, "ACTION_TYPE_NOT_ALLOWED")
    );
    assert_eq!(world.request_count(), 0);
    world.stop().await;
}
