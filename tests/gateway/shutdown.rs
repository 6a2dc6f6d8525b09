//! How the gateway ends: nobody's call is lost that has time to finish, and nothing holds it longer than it may.

use std::time::Duration;

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::Fault;
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::frames::{
    ACKNOWLEDGE, CHECK, DATA, END_STREAM, PREFACE, Raw, SETTINGS, begin, call, frame, message,
};
use crate::harness::{Answer, World, fake_keys, request, settings};

/// Long enough that a test which waits for it fails visibly.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_finishes_and_then_the_gateway_ends() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(300));
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    assert_eq!(answer.ok().aws_status, "InProgress");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_delay_it_is_not_healthy_and_still_takes_calls() {
    let mut settings = settings();
    settings.shutdown_delay = LONG;
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.gateway.shutdown.stop();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    world.acknowledge("job-1").await.ok();
    world.stop().await; // The second word: at once.
}

/// Those that ask DNS where else to go don't know at once: until they do, they come back.
#[tokio::test(flavor = "multi_thread")]
async fn half_way_through_the_delay_callers_get_goaway_and_may_come_back() {
    let mut settings = settings();
    settings.shutdown_delay = Duration::from_secs(10);
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.add("job-2");
    world.simulator.fault_job("job-1", Fault::delay(8000));
    let mut raw = Raw::plain(world.gateway.address).await;
    raw.send(&call(1, CHECK)).await;
    raw.until_answers(1).await;
    raw.answer_pings();
    let (long, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        let seen = raw.until_closed().await;
        assert_eq!(seen.goaway, Some(0), "{seen:?}");
        let again = world.gateway.new_channel();
        Answer::from(
            ThirdPartyJobServiceClient::new(again).acknowledge_third_party_job(request("job-2")).await,
        )
        .ok();
    });
    assert_eq!(long.ok().aws_status, "InProgress", "it began before, on a connection that got GOAWAY");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_had_just_connected_is_answered() {
    let world = World::start().await;
    let before = world.gateway.metric("codepipeline_gateway_connections").await;
    let mut raw = Raw::connect(world.gateway.address).await;
    while world.gateway.metric("codepipeline_gateway_connections").await <= before {}
    world.gateway.shutdown.stop();
    let refused = async { while TcpStream::connect(world.gateway.address).await.is_ok() {} };
    timeout(LONG, refused).await.expect("the port is closed");
    raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &call(1, CHECK)].concat()).await;
    raw.until_answers(1).await;
    let seen = raw.until_closed().await;
    assert_eq!(seen.goaway, Some(0), "{seen:?}");
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlives_the_drain_is_told_what_is_known_of_it() {
    let mut settings = settings();
    settings.drain_timeout = Duration::from_millis(200);
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: false });
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    // UNKNOWN and not UNAVAILABLE: a mesh would repeat that.
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "GATEWAY_SHUTTING_DOWN"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("-1"));
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_not_sent_when_the_drain_ended_may_be_made_again() {
    let mut settings = settings();
    settings.drain_timeout = Duration::from_millis(200);
    settings.aws.connect_timeout = LONG;
    settings.aws.attempt_timeout = LONG;
    let silent = crate::harness::loopback().await;
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    let gateway = crate::harness::Gateway::start(endpoint, settings, Some(fake_keys())).await;
    let (answer, _connection) = tokio::join!(gateway.send(request("job-1")), async {
        let connection = silent.accept().await.unwrap();
        gateway.shutdown.stop();
        connection
    });
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unavailable, "GATEWAY_SHUTTING_DOWN"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 1));
    gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_word_ends_it_at_once() {
    let mut settings = settings();
    settings.shutdown_delay = LONG;
    settings.drain_timeout = LONG;
    let world = World::with(settings, Some(fake_keys())).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    let stop = async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        world.gateway.shutdown.stop();
    };
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), stop);
    // It was the gateway that ended the call, and what is true of it is told all the same.
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "GATEWAY_SHUTTING_DOWN"));
    tokio::time::timeout(Duration::from_secs(10), world.gateway.ended()).await.expect("at once").unwrap();
}

/// A caller that stood still since before GOAWAY, for lack of CPU or of a network, may still begin a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_late_on_an_ending_connection_has_its_time() {
    let world = World::start().await;
    let mut raw = Raw::plain(world.gateway.address).await;
    raw.send(&call(1, CHECK)).await;
    // Its headers and its trailers.
    raw.until_answers(2).await;
    world.simulator.fault_next(1, Fault::delay(3000));
    world.gateway.shutdown.stop();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let request = message(&request("job-1").encode_to_vec());
    raw.send(&[begin(3, ACKNOWLEDGE), frame(DATA, END_STREAM, 3, &request)].concat()).await;
    raw.until_answers(3).await;
    raw.answer_pings();
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_of_connections_follows_the_drain() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(3000));
    let idle = Raw::plain(world.gateway.address).await;
    idle.answer_pings();
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
        idle.until_closed().await;
        while world.gateway.metric("codepipeline_gateway_connections").await != 1.0 {}
    });
    answer.ok();
    world.gateway.ended().await.unwrap();
}

/// The gateway's own word is nobody's first one: the kubelet's SIGTERM, which follows, doesn't cut calls off.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_admin_port_it_drains_and_is_not_healthy() {
    let mut settings = settings();
    settings.shutdown_delay = Duration::from_secs(3);
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(4000));
    let (answer, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.lose_the_admin_port();
        world.gateway.wait_for_health(ServingStatus::NotServing).await;
        world.gateway.shutdown.stop();
    });
    answer.ok();
    let ended = world.gateway.ended().await;
    assert_eq!(ended.unwrap_err().to_string(), "lost the admin listener");
}
