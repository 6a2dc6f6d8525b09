//! When a call stops waiting.

use std::time::{Duration, Instant};

use codepipeline_gateway::methods::POLL;
use codepipeline_gateway::proto::PollForThirdPartyJobsRequest;
use prost::Message;
use tonic::Code;

use super::{LONG, Polled, WAITERS, Waiting, changed_world, waiting_request, world};
use crate::harness::{PATIENCE, World, grpc_frame, poll_request, raw_call, unary, until};
use crate::requests::assert_invalid;

const INTERVAL: Duration = Duration::from_millis(200);

async fn send(world: &World, request: PollForThirdPartyJobsRequest) -> Polled {
    unary(world.gateway.channel.clone(), request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_returns_without_jobs_when_its_time_is_over() {
    let world = world(INTERVAL).await;
    let (wait, begun) = (Duration::from_millis(500), Instant::now());
    let answer = send(&world, waiting_request(1, wait)).await;
    assert!(answer.ok().jobs.is_empty());
    assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());
    world.gateway.until_metric(WAITERS, |waiters| waiters == 0.0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_before_the_deadline() {
    let world = changed_world(LONG, |settings| settings.deadlines.max = Duration::from_secs(1)).await;
    let body = grpc_frame(0, &waiting_request(1, LONG).encode_to_vec());
    for deadline in [5, 100, 400, 800, 60_000] {
        // Not by the client library, which ends the call at the deadline by its own clock.
        let timeout = [("grpc-timeout", &*format!("{deadline}m"))];
        let answer = raw_call(world.gateway.address, POLL.path, &timeout, body.clone()).await.unwrap();
        // 5 ms can be over before the call waits.
        let expected = if deadline == 5 { [Code::Ok, Code::DeadlineExceeded] } else { [Code::Ok; 2] };
        let code = Code::from_bytes(answer.headers["grpc-status"].as_bytes());
        assert!(expected.contains(&code), "{deadline}: {answer:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outside_0_to_30_seconds_is_rejected() {
    let world = world(INTERVAL).await;
    let times = [(-1, 0), (0, -1), (30, 1), (31, 0), (i64::MAX, 0), (i64::MIN, 0), (0, i32::MIN)];
    for (seconds, nanos) in times {
        let wait = Some(prost_types::Duration { seconds, nanos });
        let answer = send(&world, PollForThirdPartyJobsRequest { wait, ..poll_request() }).await;
        assert_invalid(&answer, &format!("{seconds} s {nanos} ns"));
        assert_eq!(answer.violated_fields(), ["wait"], "{seconds} s {nanos} ns");
    }
    assert_eq!(world.request_count(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_waiting_calls_without_an_error() {
    let delay = Duration::from_secs(2);
    let world = changed_world(INTERVAL, |settings| settings.shutdown_delay = delay).await;
    let waiting = [Waiting::start(&world, 1).await, Waiting::start(&world, 1).await];
    let begun = Instant::now();
    world.gateway.shutdown.stop();
    for waiting in waiting {
        assert!(waiting.jobs().await.is_empty());
    }
    assert!(begun.elapsed() < delay / 2, "they end at the signal: {:?}", begun.elapsed());

    // A worker calls again. The call waits until its connection gets GOAWAY, halfway through the
    // delay.
    let again = Waiting::send(world.gateway.channel.clone(), 1, LONG);
    assert!(again.jobs().await.is_empty());
    assert!(begun.elapsed() >= delay / 2, "{:?}", begun.elapsed());
    // And then on a new connection until the drain.
    let again = Waiting::send(world.gateway.new_channel(), 1, LONG);
    assert!(again.jobs().await.is_empty());
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    world.gateway.ended().await.unwrap();
    assert!(begun.elapsed() < 2 * delay, "a waiting call holds no drain: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_ends_its_waiting_calls() {
    let age = Duration::from_millis(800);
    let world = changed_world(INTERVAL, |settings| settings.max_connection_age = age).await;
    let begun = Instant::now();
    for _ in 0..3 {
        // Each on a connection of its own: tonic's channel can fail a call that meets GOAWAY.
        let waiting = Waiting::send(world.gateway.new_channel(), 1, LONG);
        assert!(waiting.jobs().await.is_empty());
    }
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_disconnects_leaves_the_queue() {
    let world = world(INTERVAL).await;
    let waiting = [Waiting::start(&world, 1).await, Waiting::start(&world, 1).await];
    drop(waiting);
    let waiters = async || world.gateway.metric(WAITERS).await;
    until("no waiting call", PATIENCE, waiters, |waiters| *waiters == 0.0).await;
    world.stop().await;
}
