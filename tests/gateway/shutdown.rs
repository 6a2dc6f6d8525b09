//! How the gateway ends: nobody's call is lost that has time to finish, and nothing holds it longer than it may.

use std::time::Duration;

use codepipeline_simulator::Fault;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::{World, fake_keys, request, settings};

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
    assert_ne!(answer.code(), Code::Ok);
    tokio::time::timeout(Duration::from_secs(10), world.gateway.ended()).await.expect("at once").unwrap();
}
