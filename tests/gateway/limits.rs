//! Overload, disconnected callers, and bugs: each affects its own call only.

use std::time::Duration;

use codepipeline_simulator::{Fault, OperationName};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::panicking::panicking_gateway;
use crate::harness::{Answer, AnyResponse, NONCE, PATIENCE, World, call, connect, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_the_limit_is_rejected_and_a_health_check_is_not() {
    let world = World::changed(|settings| settings.max_in_flight = 2).await;
    world.simulator.fault_next(2, Fault::Hang { process: false });
    world.add("job-3");
    let (one, two) = (world.acknowledge("job-1"), world.acknowledge("job-2"));
    let both = async { tokio::join!(one, two) };
    let meanwhile = async {
        world.wait_for_requests(2).await;
        let rejected = world.acknowledge("job-3").await;
        assert_eq!(
            (rejected.code(), rejected.reason().as_str()),
            (Code::ResourceExhausted, "GATEWAY_OVERLOADED")
        );
        assert_eq!((rejected.outcome().as_str(), rejected.attempts()), ("not_sent", 0));
        assert!(rejected.details().retry_info().is_some());
        world.gateway.wait_for_health(ServingStatus::Serving).await;
    };
    tokio::select! {
        _ = both => panic!("the hanging calls end"),
        () = meanwhile => {}
    }
    // Both callers disconnected. Their requests at AWS end, and their permits are free.
    world.wait_for_abandoned(2).await;
    world.acknowledge("job-3").await.ok();
    world.stop().await;
}

/// The error of a gateway that panics in every call.
async fn error_of_a_panic(operation: OperationName, after_an_attempt: bool) -> Answer<AnyResponse> {
    let (address, shutdown, served) = panicking_gateway(after_an_attempt).await;
    let channel = connect(address).await;
    let first = call(channel.clone(), operation, "job-1").await;
    let second = call(channel.clone(), operation, "job-1").await;
    assert_eq!(second.reason(), first.reason(), "the connection stays open");
    drop(channel);
    shutdown.stop();
    within("the end of the gateway", PATIENCE, served).await.unwrap().unwrap();
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_becomes_an_error_with_the_true_outcome() {
    for operation in OperationName::ALL {
        for (after_an_attempt, outcome) in [(false, "not_sent"), (true, "unknown")] {
            let answer = error_of_a_panic(operation, after_an_attempt).await;
            assert_eq!((answer.code(), answer.reason().as_str()), (Code::Internal, "GATEWAY_BUG"));
            assert_eq!(answer.outcome(), outcome, "{operation:?}");
            assert!(!format!("{answer:?}").contains(NONCE), "{operation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_call_ends_its_request_at_aws() {
    let world = World::start().await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.acknowledge("job-1") => panic!("the call ends"),
        () = world.wait_for_requests(1) => {}
    }
    within("an abandoned request", Duration::from_secs(5), world.wait_for_abandoned(1)).await;
    world.stop().await;
}
