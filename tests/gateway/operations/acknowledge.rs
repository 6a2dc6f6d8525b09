//! AcknowledgeThirdPartyJob: who gets the job, the job's status, the limits of the fields, and the
//! error details.

use codepipeline_gateway::proto::{AcknowledgeThirdPartyJobRequest, JobStatus};
use codepipeline_simulator::{CallMoment, ErrorFault, Fault};
use futures_util::future::join_all;
use tonic::Code;

use super::{TextField, assert_limits};
use crate::harness::{World, request};
use crate::requests::assert_invalid;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_acknowledge_takes_the_job_and_the_second_does_not() {
    let world = World::start().await;
    world.add("job-1");
    let first = world.acknowledge("job-1").await;
    assert_eq!(first.ok().status(), JobStatus::InProgress);
    assert_eq!(first.ok().aws_status, "InProgress");
    let seen = world.simulator.requests();
    assert_eq!(first.header("x-amzn-requestid"), Some(seen[0].request_id.as_str()));
    assert_eq!(first.header("x-request-id").map(str::len), Some(36), "a new UUID");

    let second = world.acknowledge("job-1").await;
    assert_eq!((second.code(), second.reason().as_str()), (Code::FailedPrecondition, "INVALID_NONCE"));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_of_many_concurrent_workers_gets_the_job() {
    let world = World::start().await;
    world.add("job-1");
    let answers = join_all((0..40).map(|_| world.acknowledge("job-1"))).await;
    let (taken, rejected): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.code() == Code::Ok);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].ok().status(), JobStatus::InProgress);
    assert!(rejected.iter().all(|answer| answer.reason() == "INVALID_NONCE"));
    assert_eq!(world.simulator.acknowledged("job-1"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_lost_after_processing_is_unknown_after_one_attempt() {
    let world = World::start().await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::Reset { when: CallMoment::AfterProcessing });
    let answer = world.acknowledge("job-1").await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unknown, "AWS_CONNECTION_LOST"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
    assert_eq!(world.simulator.acknowledged("job-1"), 1, "AWS processed the request");
    assert_eq!(world.acknowledge("job-1").await.reason(), "INVALID_NONCE", "a retry fails");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_missing_job_status_is_ok() {
    let world = World::start().await;
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
        world.simulator.fault_job("job-1", Fault::answer(200, body));
        let got = world.acknowledge("job-1").await;
        assert_eq!((got.ok().status(), got.ok().aws_status.as_str()), (status, aws_status), "{body}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_together() {
    let world = World::start().await;
    let empty = world.gateway.send(AcknowledgeThirdPartyJobRequest::default()).await;
    assert_invalid(&empty, "all empty");
    assert_eq!(empty.violated_fields(), ["job_id", "nonce", "client_token"]);
    assert_eq!(
        empty.status().message(),
        "The request is invalid: job_id must not be empty, nonce must not be empty, \
         client_token must not be empty."
    );
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn length_limits_are_exact_and_count_characters() {
    let world = World::start().await;
    let fields: [TextField<AcknowledgeThirdPartyJobRequest>; 3] = [
        ("job_id", 1, 512, |request, text| request.job_id = text),
        ("nonce", 1, 50, |request, text| request.nonce = text),
        ("client_token", 1, 256, |request, text| request.client_token = text),
    ];
    assert_limits(&request("job-1"), &fields, |request| world.gateway.send(request)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn error_details_name_the_resource_and_the_fields() {
    let world = World::start().await;
    let long = "ü".repeat(512);
    let missing = world.acknowledge(&long).await.details();
    let resource = missing.resource_info().unwrap();
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name.as_str()),
        ("codepipeline.ThirdPartyJob", &*"ü".repeat(64))
    );

    world.add("job-taken");
    world.acknowledge("job-taken").await.ok();
    let taken = world.acknowledge("job-taken").await.details();
    let violation = &taken.precondition_failure().unwrap().violations[0];
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("NONCE", "job-taken"));

    let text = "2 validation errors detected: Value at 'nonce' failed to satisfy constraint: \
                Member must satisfy regular expression pattern: [a-z]+; Value 'x' at 'clientToken' failed \
                to satisfy constraint: no";
    let fault = ErrorFault { message: Some(text.into()), ..ErrorFault::new("ValidationException") };
    world.simulator.fault_job("job-odd", Fault::Error(fault));
    assert_eq!(world.acknowledge("job-odd").await.violated_fields(), ["nonce", "client_token"]);
    world.stop().await;
}
