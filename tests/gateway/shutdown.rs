//! Shutdown: calls with time to finish succeed, and no caller delays the end beyond its limit.

use std::time::Duration;

use codepipeline_simulator::Fault;
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::http2::{DATA, END_STREAM, Raw, begin, call, frame, full_preface, message};
use crate::harness::{
    ACKNOWLEDGE, CHECK, Gateway, PATIENCE, World, acknowledge, fake_keys, loopback, request, settings, until,
    within,
};

/// A test that waits for this long fails.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_finishes_before_the_gateway_ends() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(300));
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    assert_eq!(answer.ok().aws_status, "InProgress");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_delay_the_gateway_is_unhealthy_and_accepts_calls() {
    let world = World::changed(|settings| settings.shutdown_delay = LONG).await;
    world.add("job-1");
    world.gateway.shutdown.stop();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    world.acknowledge("job-1").await.ok();
    // The second signal is an immediate shutdown.
    world.stop().await;
}

/// Clients that use DNS don't know another address yet, so they reconnect to the same gateway.
#[tokio::test(flavor = "multi_thread")]
async fn halfway_through_the_delay_callers_get_goaway_and_can_reconnect() {
    let world = World::changed(|settings| settings.shutdown_delay = Duration::from_secs(10)).await;
    world.add("job-1");
    world.add("job-2");
    world.simulator.fault_job("job-1", Fault::delay(8000));
    let mut raw = Raw::plain(world.gateway.address).await;
    raw.send(&call(1, CHECK)).await;
    raw.until_responses(1).await;
    raw.reply_to_pings();
    let (long, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        let seen = raw.until_closed().await;
        assert_eq!(seen.goaway, Some(0), "{seen:?}");
        acknowledge(world.gateway.new_channel(), request("job-2")).await.ok();
    });
    assert_eq!(long.ok().aws_status, "InProgress", "the call started before GOAWAY on its connection");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_has_just_connected_gets_a_response() {
    let world = World::start().await;
    let before = world.gateway.metric("codepipeline_gateway_connections").await;
    let mut raw = Raw::connect(world.gateway.address).await;
    world.gateway.until_metric("codepipeline_gateway_connections", |count| count > before).await;
    world.gateway.shutdown.stop();
    let connect = async || TcpStream::connect(world.gateway.address).await.map(drop);
    until("a closed port", PATIENCE, connect, Result::is_err).await.unwrap_err();
    raw.send(&[full_preface(), call(1, CHECK)].concat()).await;
    raw.until_responses(1).await;
    let seen = raw.until_closed().await;
    assert_eq!(seen.goaway, Some(0), "{seen:?}");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlives_the_drain_gets_its_true_outcome() {
    let world = World::changed(|settings| settings.drain_timeout = Duration::from_millis(200)).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: false });
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    // The code is UNKNOWN, because a mesh retries UNAVAILABLE.
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "GATEWAY_SHUTTING_DOWN"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("-1"));
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_not_sent_before_the_drain_ended_can_be_retried() {
    let mut settings = settings();
    settings.drain_timeout = Duration::from_millis(200);
    settings.aws.connect_timeout = LONG;
    settings.aws.attempt_timeout = LONG;
    let silent = loopback().await;
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    let gateway = Gateway::start(endpoint, settings, Some(fake_keys())).await;
    let (answer, _connection) = tokio::join!(gateway.send(request("job-1")), async {
        let connection = within("a connection", PATIENCE, silent.accept()).await.unwrap();
        gateway.shutdown.stop();
        connection
    });
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unavailable, "GATEWAY_SHUTTING_DOWN"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 1));
    gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_gateway_immediately() {
    let world = World::changed(|settings| {
        settings.shutdown_delay = LONG;
        settings.drain_timeout = LONG;
    })
    .await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    let stop = async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        world.gateway.shutdown.stop();
    };
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), stop);
    // The gateway ended the call, and the error still has the true outcome.
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "GATEWAY_SHUTTING_DOWN"));
    within("the end", Duration::from_secs(10), world.gateway.ended()).await.unwrap();
}

/// A caller that was stalled when GOAWAY came, for lack of CPU or network, can still start a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_call_on_a_draining_connection_has_its_full_time() {
    let world = World::start().await;
    let mut raw = Raw::plain(world.gateway.address).await;
    raw.send(&call(1, CHECK)).await;
    // The response has headers and trailers.
    raw.until_responses(2).await;
    world.simulator.fault_next(1, Fault::delay(3000));
    world.gateway.shutdown.stop();
    // The caller is stalled for this time. It's the condition under test, not synchronization.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let request = message(&request("job-1").encode_to_vec());
    raw.send(&[begin(3, ACKNOWLEDGE), frame(DATA, END_STREAM, 3, &request)].concat()).await;
    raw.until_responses(3).await;
    raw.reply_to_pings();
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_of_connections_follows_the_drain() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(3000));
    let idle = Raw::plain(world.gateway.address).await;
    idle.reply_to_pings();
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        idle.until_closed().await;
        world.gateway.until_metric("codepipeline_gateway_connections", |count| count == 1.0).await;
    });
    answer.ok();
    world.gateway.ended().await.unwrap();
}

/// The drain doesn't count as the first signal, so the SIGTERM that follows doesn't cancel calls.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_admin_port_the_gateway_drains_and_is_unhealthy() {
    let world = World::changed(|settings| settings.shutdown_delay = Duration::from_secs(3)).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(4000));
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.lose_the_admin_port();
        world.gateway.wait_for_health(ServingStatus::NotServing).await;
        world.gateway.shutdown.stop();
    });
    answer.ok();
    let ended = world.gateway.ended().await;
    assert_eq!(ended.unwrap_err().to_string(), "lost the admin listener");
}
