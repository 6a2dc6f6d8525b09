//! Overload, callers that hang up, and bugs: each costs its own call and no other.

use std::sync::Arc;
use std::time::Duration;

use codepipeline_gateway::call::Call;
use codepipeline_gateway::codepipeline::{AwsOperation, CodePipeline, CredentialStatus};
use codepipeline_gateway::error::{AwsResponse, Failure};
use codepipeline_gateway::gateway::{Listeners, serve};
use codepipeline_gateway::server::Shutdown;
use codepipeline_gateway::telemetry::Metrics;
use codepipeline_simulator::Fault;
use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::{Answer, World, fake_keys, loopback, request, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_past_the_limit_is_refused_at_once_and_health_is_not() {
    let mut settings = settings();
    settings.max_in_flight = 2;
    let world = World::with(settings, Some(fake_keys())).await;
    world.simulator.fault_next(2, Fault::Hang { process: false });
    world.add("job-3");
    let (one, two) = (world.acknowledge("job-1"), world.acknowledge("job-2"));
    let both = async { tokio::join!(one, two) };
    let meanwhile = async {
        world.simulator.wait_for_requests(2).await;
        let refused = world.acknowledge("job-3").await;
        assert_eq!(
            (refused.code(), refused.reason().as_str()),
            (Code::ResourceExhausted, "GATEWAY_OVERLOADED")
        );
        assert_eq!((refused.outcome().as_str(), refused.attempts()), ("not_sent", 0));
        assert!(refused.details().retry_info().is_some());
        world.gateway.wait_for_health(ServingStatus::Serving).await;
    };
    tokio::select! {
        _ = both => panic!("the hanging calls can't end before"),
        () = meanwhile => {}
    }
    // Both callers hung up just now: their requests at AWS end, and their slots are free.
    world.simulator.wait_for_abandoned(2).await;
    world.acknowledge("job-3").await.ok();
    world.stop().await;
}

/// A CodePipeline with a bug.
struct Panicking {
    after_an_attempt: bool,
}

impl CodePipeline for Panicking {
    async fn call<O: AwsOperation>(&self, _: &O, call: &Call) -> Result<(O::Output, AwsResponse), Failure> {
        if self.after_an_attempt {
            call.progress().attempt_started(|| false);
        }
        panic!("a bug, holding {}", crate::harness::NONCE);
    }
}

async fn answer_of(buggy: Panicking) -> Answer {
    let listeners = Listeners { grpc: loopback().await, admin: loopback().await };
    let address = listeners.grpc.local_addr().unwrap();
    let (shutdown, status) = (Shutdown::new(), watch::Sender::new(CredentialStatus::Held { expiry: None }));
    let metrics = Arc::new(Metrics::new());
    let served = serve(
        listeners,
        buggy,
        "eu-west-1".into(),
        status.subscribe(),
        settings(),
        metrics,
        shutdown.clone(),
    );
    let served = tokio::spawn(served);
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client =
        codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient::new(channel);
    let first: Answer = client.acknowledge_third_party_job(request("job-1")).await.into();
    let second: Answer = client.acknowledge_third_party_job(request("job-1")).await.into();
    assert_eq!(second.reason(), first.reason(), "the same connection goes on");
    drop(client);
    shutdown.stop();
    served.await.unwrap().unwrap();
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_with_what_is_known() {
    for (after_an_attempt, outcome) in [(false, "not_sent"), (true, "unknown")] {
        let answer = answer_of(Panicking { after_an_attempt }).await;
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::Internal, "GATEWAY_BUG"));
        assert_eq!(answer.outcome(), outcome);
        assert!(!format!("{answer:?}").contains(crate::harness::NONCE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_ends_its_request_at_aws() {
    let world = World::start().await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.acknowledge("job-1") => panic!("it hangs"),
        () = world.simulator.wait_for_requests(1) => {}
    }
    tokio::time::timeout(Duration::from_secs(5), world.simulator.wait_for_abandoned(1))
        .await
        .expect("at once");
    world.stop().await;
}
