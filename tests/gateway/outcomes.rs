//! What is known of a call that isn't idempotent: never a repeat of what may have happened, never a claim too much.

use std::time::{Duration, Instant};

use codepipeline_gateway::codepipeline::{Aws, AwsCodePipeline, CredentialCache, Source};
use codepipeline_gateway::proto::JobStatus;
use codepipeline_gateway::telemetry::{Metrics, Traces};
use codepipeline_simulator::{
    AnswerFault, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Job, RequestOutcome,
};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tonic::Code;

use crate::harness::{Gateway, NONCE, TOKEN, World, fake_keys, loopback, request, request_within, settings};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_acknowledge_takes_the_job_and_the_second_does_not() {
    let world = World::start().await;
    world.add("job-1");
    let first = world.acknowledge("job-1").await;
    assert_eq!(first.ok().status(), JobStatus::InProgress);
    assert_eq!(first.ok().aws_status, "InProgress");
    let seen = world.simulator.requests();
    assert_eq!(first.header("x-amzn-requestid"), Some(seen[0].request_id.as_str()));
    assert_eq!(first.header("x-request-id").map(str::len), Some(36), "a fresh UUID");

    let second = world.acknowledge("job-1").await;
    assert_eq!((second.code(), second.reason().as_str()), (Code::FailedPrecondition, "INVALID_NONCE"));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_workers_at_once_exactly_one_gets_the_job() {
    let world = World::start().await;
    world.add("job-1");
    let answers = join_all((0..40).map(|_| world.acknowledge("job-1"))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.code() == Code::Ok);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].ok().status(), JobStatus::InProgress);
    assert!(refused.iter().all(|answer| answer.reason() == "INVALID_NONCE"));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_aws_did_it_is_unknown_after_one_attempt() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Reset { when: CallMoment::AfterProcessing });
    let answer = world.acknowledge("job-1").await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "AWS_CONNECTION_LOST"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(world.simulator.acknowledged("job-1"), 1, "it did happen");
    assert_eq!(
        world.acknowledge("job-1").await.reason(),
        "INVALID_NONCE",
        "what a blind repeat would have got"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_knows_or_none_at_all_is_still_ok() {
    let world = World::start().await;
    let answer = |body: &str| Fault::Answer(AnswerFault { body: body.into(), ..AnswerFault::default() });
    for (body, status, aws_status) in [
        (r#"{"status":"Paused"}"#, JobStatus::Unspecified, "Paused"),
        (r#"{"status":""}"#, JobStatus::Unspecified, ""),
        (r#"{"status":null}"#, JobStatus::Unspecified, ""),
        ("{}", JobStatus::Unspecified, ""),
        ("", JobStatus::Unspecified, ""),
        (r#"{"status":"Queued","new":{"member":[1]}}"#, JobStatus::Queued, "Queued"),
        (r#"{"status":"Created"}"#, JobStatus::Created, "Created"),
        (r#"{"status":"Dispatched"}"#, JobStatus::Dispatched, "Dispatched"),
        (r#"{"status":"TimedOut"}"#, JobStatus::TimedOut, "TimedOut"),
        (r#"{"status":"Succeeded"}"#, JobStatus::Succeeded, "Succeeded"),
        (r#"{"status":"Failed"}"#, JobStatus::Failed, "Failed"),
    ] {
        world.simulator.fault_job("job-1", answer(body));
        let got = world.acknowledge("job-1").await;
        assert_eq!((got.ok().status(), got.ok().aws_status.as_str()), (status, aws_status), "{body}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_call_is_repeated_until_it_passes() {
    let world = World::start().await;
    let job = Job::new("job-1", NONCE, TOKEN).with_fault(2, Fault::error("ThrottlingException"));
    world.simulator.add_job(job);
    assert_eq!(world.acknowledge("job-1").await.ok().status(), JobStatus::InProgress);
    assert_eq!(world.requests_for("job-1"), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_throttled_calls_do_not_stop_the_retries_of_the_next() {
    let world = World::start().await;
    let jobs: Vec<String> = (0..60).map(|number| format!("job-{number}")).collect();
    for job in &jobs {
        for _attempt in 0..3 {
            world.simulator.fault_job(job, Fault::error("ThrottlingException"));
        }
    }
    let answers = join_all(jobs.iter().map(|job| world.acknowledge(job))).await;
    assert!(answers.iter().all(|answer| answer.attempts() == 3), "the SDK's token bucket would have run dry");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_sent_nothing_and_the_same_call_works_later() {
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
async fn a_connection_lost_before_its_request_was_read_never_costs_the_job() {
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
        world.simulator.wait_for_open_connections(0).await;
        world.simulator.refuse_connections(false).await.unwrap();
        world.simulator.fault_next_connections(1, how);
        let answer = world.acknowledge(&id).await;
        // Which of the two it is depends on how far the request had got; both are true, and neither is a guess.
        match answer.code() {
            Code::Ok => assert_eq!(world.simulator.acknowledged(&id), 1),
            _ => assert_eq!((answer.reason().as_str(), answer.attempts()), ("AWS_CONNECTION_LOST", 1)),
        }
    }
    world.stop().await;
}

/// A gateway whose endpoint is not a simulator.
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
async fn a_name_that_does_not_resolve_sent_nothing() {
    assert_unreachable(gateway_to("http://codepipeline.invalid").await, "name lookup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tls_handshake_sent_nothing() {
    let world = World::start().await;
    let endpoint = world.simulator.endpoint_url().replace("http:", "https:");
    assert_unreachable(gateway_to(&endpoint).await, "a port that doesn't speak TLS").await;
    assert_eq!(world.simulator.requests().len(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_that_never_ends_sent_nothing() {
    // The kernel accepts for it, and nobody ever answers.
    let silent: TcpListener = loopback().await;
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    assert_unreachable(gateway_to(&endpoint).await, "a port that says nothing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_an_answer_is_unknown_and_not_repeated() {
    let mut settings = settings();
    settings.aws.attempt_timeout = Duration::from_millis(300);
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: true });
    let answer = world.acknowledge("job-1").await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "AWS_TIMEOUT"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_answered_in_time_with_its_details() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Hang { process: false });
    let answer = world.gateway.send(request_within("job-1", Duration::from_secs(5))).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("-1"));
    // The request at AWS doesn't outlive its call.
    world.simulator.wait_for_abandoned(1).await;
    assert_eq!(world.simulator.requests()[0].outcome, RequestOutcome::Abandoned);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backoff_that_does_not_fit_is_not_begun() {
    let world = World::start().await;
    let asks_for_long = ErrorFault { retry_after_s: Some(60), ..ErrorFault::new("ThrottlingException") };
    world.simulator.fault_job("job-1", Fault::Error(asks_for_long));
    let begun = Instant::now();
    let answer = world.gateway.send(request_within("job-1", Duration::from_secs(10))).await;
    assert_eq!((answer.reason().as_str(), answer.attempts()), ("AWS_THROTTLED", 1));
    assert!(begun.elapsed() < Duration::from_secs(5), "the caller's time isn't spent on waiting for nothing");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_request_id_of_aws_never_turns_a_success_into_an_error() {
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
async fn no_debug_of_the_library_shows_a_key() {
    let source = Source::Fixed {
        region: "eu-west-1".into(),
        endpoint_url: "http://127.0.0.1:1".into(),
        keys: Some(fake_keys()),
    };
    let aws = Aws::load(source).await.unwrap();
    let held = CredentialCache::empty();
    let codepipeline =
        AwsCodePipeline::new(&aws, held.clone(), settings().aws, Metrics::new().into(), Traces::default());
    let shown = format!("{aws:?} {held:?} {codepipeline:?} {:?}", fake_keys());
    let keys = fake_keys();
    assert!(!shown.contains(&keys.access_key_id) && !shown.contains(&keys.secret_access_key), "{shown}");
}
