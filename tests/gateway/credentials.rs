//! Problems with the gateway's own credentials and clock. Their errors never blame the caller.

use codepipeline_gateway::codepipeline::FakeKeys;
use codepipeline_simulator::{AccessKey, Processed, SignatureVerdict};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::{Acknowledged, World, fake_keys, settings};

async fn with_keys(keys: FakeKeys) -> (World, Acknowledged) {
    let world = World::with(settings(), Some(keys)).await;
    world.add("job-1");
    let answer = world.acknowledge("job-1").await;
    assert_eq!(world.simulator.acknowledged("job-1"), 0);
    (world, answer)
}

fn error_of(answer: &Acknowledged) -> (Code, String, String, u32) {
    (answer.code(), answer.reason(), answer.outcome(), answer.attempts())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_the_gateway_is_unhealthy_and_sends_nothing() {
    let world = World::with(settings(), None).await;
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let answer = world.acknowledge("job-1").await;
    let expected = (Code::Unavailable, "GATEWAY_CREDENTIALS_UNAVAILABLE".into(), "not_sent".into(), 0);
    assert_eq!(error_of(&answer), expected);
    assert!(answer.details().retry_info().is_some());
    assert_eq!(world.simulator.requests().len(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_an_error_of_the_gateway() {
    let (world, answer) = with_keys(FakeKeys { secret_access_key: "wrong".into(), ..fake_keys() }).await;
    assert_eq!(
        error_of(&answer),
        (Code::Internal, "GATEWAY_CREDENTIALS_REJECTED".into(), "rejected".into(), 1)
    );
    assert_eq!(answer.info()["awsErrorCode"], "InvalidSignatureException");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_unknown_to_aws_is_an_error_of_the_gateway() {
    let (world, answer) =
        with_keys(FakeKeys { access_key_id: "AKIAFAKEUNKNOWN00000".into(), ..fake_keys() }).await;
    assert_eq!(
        error_of(&answer),
        (Code::Internal, "GATEWAY_CREDENTIALS_REJECTED".into(), "rejected".into(), 1)
    );
    assert_eq!(answer.info()["awsErrorCode"], "UnrecognizedClientException");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_expired_credentials_can_be_retried() {
    let keys = FakeKeys { session_token: Some("fake-session-token".into()), ..fake_keys() };
    let world = World::with(settings(), Some(keys)).await;
    let session = AccessKey::fake().with_session_token("fake-session-token");
    world.simulator.set_keys(vec![session.clone().expired()]);
    world.add("job-1");
    let answer = world.acknowledge("job-1").await;
    assert_eq!(
        error_of(&answer),
        (Code::Unavailable, "GATEWAY_CREDENTIALS_EXPIRED".into(), "rejected".into(), 1)
    );
    assert!(answer.details().retry_info().is_some());
    world.simulator.set_keys(vec![session]);
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_skew_of_an_hour_costs_one_attempt_once() {
    for shift in [3600, -3600] {
        let world = World::start().await;
        world.simulator.shift_clock(shift);
        world.add("job-1");
        world.add("job-2");
        world.acknowledge("job-1").await.ok();
        assert_eq!(world.requests_for("job-1"), 2, "rejected, and retried with AWS's time");
        let rejected = world.simulator.requests()[0].processed.clone();
        let error_code = Some("InvalidSignatureException".into());
        assert_eq!(rejected, Some(Processed { http_status: 400, error_code }));
        world.acknowledge("job-2").await.ok();
        assert_eq!(world.requests_for("job-2"), 1, "AWS's time is known");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_skew_that_cannot_be_corrected_is_an_error() {
    let world = World::start().await;
    world.simulator.omit_date(true);
    world.simulator.shift_clock(3600);
    world.add("job-1");
    let answer = world.acknowledge("job-1").await;
    assert_eq!(error_of(&answer), (Code::Unavailable, "GATEWAY_CLOCK_SKEW".into(), "rejected".into(), 1));
    assert!(answer.details().retry_info().is_some());
    assert_eq!(world.simulator.acknowledged("job-1"), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_signed_and_names_the_sdk() {
    let world = World::start().await;
    for job in ["first", "second", "third"] {
        world.add(job);
        world.acknowledge(job).await.ok();
    }
    for request in world.simulator.requests() {
        let name = request.user_agent.unwrap();
        assert!(name.starts_with("aws-sdk-rust/") && name.contains(" os/"), "{name}");
        assert_eq!(request.signature, SignatureVerdict::Valid);
    }
    world.stop().await;
}
