//! PutThirdPartyJobFailureResult: every field reaches AWS, and the job ends once.

use codepipeline_gateway::proto::{
    FailureDetails, FailureType, PutThirdPartyJobFailureResultRequest as Request,
};
use codepipeline_simulator::{self as simulator, JobResult, OperationName};

use super::{TextField, assert_ends_only_in_progress, assert_limits};
use crate::harness::{World, failure_request, success_request};
use crate::requests::assert_invalid;

const FAILURE: OperationName = OperationName::PutThirdPartyJobFailureResult;

fn with_details(change: impl FnOnce(&mut FailureDetails)) -> Request {
    let mut request = failure_request("job-1");
    change(request.failure_details.as_mut().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_failure_reaches_aws() {
    let world = World::start().await;
    let types = [
        (FailureType::JobFailed, "JobFailed"),
        (FailureType::ConfigurationError, "ConfigurationError"),
        (FailureType::PermissionError, "PermissionError"),
        (FailureType::RevisionOutOfSync, "RevisionOutOfSync"),
        (FailureType::RevisionUnavailable, "RevisionUnavailable"),
        (FailureType::SystemUnavailable, "SystemUnavailable"),
    ];
    for (kind, name) in types {
        for id in ["", "exec \"ü\""] {
            world.add_for(FAILURE, "job-1");
            let request = with_details(|details| {
                details.r#type = kind.into();
                details.message = "it broke\n".into();
                details.external_execution_id = id.into();
            });
            world.gateway.send(request).await.ok();
            let expected = simulator::FailureDetails {
                kind: name.into(),
                message: "it broke\n".into(),
                external_execution_id: (!id.is_empty()).then(|| id.to_owned()),
            };
            assert_eq!(world.simulator.ledger("job-1").results, [JobResult::Failure(expected)]);
            assert_eq!(world.simulator.job("job-1").unwrap().status, "Failed");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_in_progress_cannot_fail() {
    assert_ends_only_in_progress(FAILURE, &failure_request("job-1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_failed_stays_failed() {
    let world = World::start().await;
    world.add_for(FAILURE, "job-1");
    world.gateway.send(failure_request("job-1")).await.ok();
    let opposite = world.gateway.send(success_request("job-1")).await;
    assert_eq!(opposite.reason(), "INVALID_JOB_STATE");
    assert_eq!(world.simulator.job("job-1").unwrap().status, "Failed");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_without_a_known_type_is_rejected() {
    let world = World::start().await;
    for kind in [0, 7, -1, i32::MAX, i32::MIN] {
        let answer = world.gateway.send(with_details(|details| details.r#type = kind)).await;
        assert_invalid(&answer, &format!("type {kind}"));
        assert_eq!(answer.violated_fields(), ["failure_details.type"], "type {kind}");
    }
    assert_eq!(world.request_count(), 0, "nothing was sent");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_together() {
    let world = World::start().await;
    let missing = ["job_id", "client_token", "failure_details.type", "failure_details.message"];
    for failure_details in [None, Some(FailureDetails::default())] {
        let answer = world.gateway.send(Request { failure_details, ..Request::default() }).await;
        assert_invalid(&answer, "all missing");
        assert_eq!(answer.violated_fields(), missing);
    }
    let long =
        FailureDetails { r#type: 0, message: "m".repeat(5001), external_execution_id: "e".repeat(1501) };
    let answer =
        world.gateway.send(Request { failure_details: Some(long), ..failure_request("job-1") }).await;
    assert_invalid(&answer, "all too long");
    let paths = ["failure_details.type", "failure_details.message", "failure_details.external_execution_id"];
    assert_eq!(answer.violated_fields(), paths);
    assert_eq!(world.request_count(), 0, "nothing was sent");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn length_limits_are_exact_and_count_characters() {
    fn details(request: &mut Request) -> &mut FailureDetails {
        request.failure_details.as_mut().unwrap()
    }
    let world = World::start().await;
    let fields: [TextField<Request>; 4] = [
        ("job_id", 1, 512, |request, text| request.job_id = text),
        ("client_token", 1, 256, |request, text| request.client_token = text),
        ("failure_details.message", 1, 5000, |request, text| details(request).message = text),
        ("failure_details.external_execution_id", 0, 1500, |request, text| {
            details(request).external_execution_id = text;
        }),
    ];
    assert_limits(&failure_request("job-1"), &fields, |request| world.gateway.send(request)).await;
    world.stop().await;
}
