//! The outcome of a call that isn't idempotent: no retry of a request that AWS might have
//! processed, and no false claim.

mod by_operation;

use std::time::{Duration, Instant};

use codepipeline_gateway::codepipeline::{Aws, AwsCodePipeline, CredentialCache, Source};
use codepipeline_gateway::proto::JobStatus;
use codepipeline_gateway::telemetry::{Metrics, Traces};
use codepipeline_simulator::{
    AnswerFault, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Job, RequestOutcome,
};
use futures_util::future::join_all;
use tonic::Code;

use crate::harness::{
    Gateway, NONCE, PATIENCE, REGION, TOKEN, World, fake_keys, loopback, request, request_within, settings,
    within,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_call_is_retried_until_it_succeeds() {
    let world = World::start().await;
    let job = Job::new("job-1", NONCE, TOKEN).with_fault(2, Fault::error("ThrottlingException"));
    world.simulator.add_job(job);
    assert_eq!(world.acknowledge("job-1").await.ok().status(), JobStatus::InProgress);
    assert_eq!(world.requests_for("job-1"), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_throttled_calls_all_have_their_retries() {
    let world = World::start().await;
    let jobs: Vec<String> = (0..60).map(|number| format!("job-{number}")).collect();
    for job in &jobs {
        for _attempt in 0..3 {
            world.simulator.fault_job(job, Fault::error("ThrottlingException"));
        }
    }
    let answers = join_all(jobs.iter().map(|job| world.acknowledge(job))).await;
    assert!(answers.iter().all(|answer| answer.attempts() == 3), "the SDK's token bucket would be empty");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_sends_nothing_and_can_be_retried() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.refuse_connections(true).await.unwrap();
    let answer = world.acknowledge("job-1").await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unavailable, "AWS_UNREACHABLE"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 3));
    assert!(answer.details().retry_info().is_some());
    world.simulator.refuse_connections(false).await.unwrap();
    assert_eq!(world.acknowledge("job-1").await.ok().status(), JobStatus::InProgress);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_request_was_read_loses_no_job() {
    let world = World::start().await;
    for (number, how) in [
        ConnectionFault::Reset { when: ConnectionMoment::BeforeRequestRead },
        ConnectionFault::Close { when: ConnectionMoment::BeforeRequestRead },
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("job-{number}");
        world.add(&id);
        world.simulator.refuse_connections(true).await.unwrap();
        let closed = world.simulator.wait_for_open_connections(0);
        within("closed connections to AWS", PATIENCE, closed).await;
        world.simulator.refuse_connections(false).await.unwrap();
        world.simulator.fault_next_connections(1, how);
        let answer = world.acknowledge(&id).await;
        // The result depends on how much of the request was written. Both results are correct.
        let acknowledged = usize::from(answer.code() == Code::Ok);
        assert_eq!(world.simulator.acknowledged(&id), acknowledged);
        if acknowledged == 0 {
            assert_eq!((answer.reason().as_str(), answer.attempts()), ("AWS_CONNECTION_LOST", 1));
        }
    }
    world.stop().await;
}

/// A gateway with an endpoint that isn't the simulator.
async fn gateway_to(endpoint_url: &str) -> Gateway {
    let mut settings = settings();
    settings.aws.connect_timeout = Duration::from_millis(300);
    Gateway::start(endpoint_url.into(), settings, Some(fake_keys())).await
}

async fn assert_unreachable(gateway: Gateway, what: &str) {
    let answer = gateway.send(request("job-1")).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unavailable, "AWS_UNREACHABLE"), "{what}");
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 3), "{what}");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unresolvable_host_name_sends_nothing() {
    assert_unreachable(gateway_to("http://codepipeline.invalid").await, "name lookup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tls_handshake_sends_nothing() {
    let world = World::start().await;
    let endpoint = world.simulator.endpoint_url().replace("http:", "https:");
    assert_unreachable(gateway_to(&endpoint).await, "a port without TLS").await;
    assert_eq!(world.simulator.requests().len(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_tls_handshake_sends_nothing() {
    // The kernel accepts the connection, and no process answers.
    let silent = loopback().await;
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    assert_unreachable(gateway_to(&endpoint).await, "a silent port").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_timeout_is_unknown_and_not_retried() {
    let world = World::changed(|settings| settings.aws.attempt_timeout = Duration::from_secs(2)).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: true });
    let answer = world.acknowledge("job-1").await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "AWS_TIMEOUT"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_at_the_deadline_arrives_in_time_with_its_details() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: false });
    let answer = world.gateway.send(request_within("job-1", Duration::from_secs(5))).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("-1"));
    // The request at AWS ends with its call.
    world.wait_for_abandoned(1).await;
    assert_eq!(world.simulator.requests()[0].outcome, RequestOutcome::Abandoned);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backoff_beyond_the_deadline_is_not_started() {
    let world = World::start().await;
    let long_delay = ErrorFault { retry_after_s: Some(60), ..ErrorFault::new("ThrottlingException") };
    world.simulator.fault_job("job-1", Fault::Error(long_delay));
    let start = Instant::now();
    let answer = world.gateway.send(request_within("job-1", Duration::from_secs(10))).await;
    assert_eq!((answer.reason().as_str(), answer.attempts()), ("AWS_THROTTLED", 1));
    assert!(start.elapsed() < Duration::from_secs(5), "the call ends before its deadline");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_request_id_of_aws_does_not_fail_the_call() {
    let world = World::start().await;
    for id in ["x".repeat(7000), "with a space".into(), String::new()] {
        let headers = [("x-amzn-requestid".to_owned(), id.clone())].into();
        let body = r#"{"status":"InProgress"}"#.into();
        world.simulator.fault_job("job-1", Fault::Answer(AnswerFault { http_status: 200, headers, body }));
        let answer = world.acknowledge("job-1").await;
        assert_eq!(answer.ok().status(), JobStatus::InProgress);
        assert_eq!(answer.header("x-amzn-requestid"), None, "{} bytes", id.len());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_output_of_the_library_contains_no_key() {
    let source = Source::Fixed {
        region: REGION.into(),
        endpoint_url: "http://127.0.0.1:1".into(),
        keys: Some(fake_keys()),
    };
    let aws = Aws::load(source).await.unwrap();
    let cache = CredentialCache::empty();
    let codepipeline =
        AwsCodePipeline::new(&aws, cache.clone(), settings().aws, Metrics::new().into(), Traces::default());
    let shown = format!("{aws:?} {cache:?} {codepipeline:?} {:?}", fake_keys());
    let keys = fake_keys();
    assert!(!shown.contains(&keys.access_key_id) && !shown.contains(&keys.secret_access_key), "{shown}");
}
