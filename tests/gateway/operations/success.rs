//! PutThirdPartyJobSuccessResult: every field reaches AWS, and the job ends once.

use codepipeline_gateway::proto::{
    CurrentRevision, ExecutionDetails, PutThirdPartyJobSuccessResultRequest as Request,
};
use codepipeline_simulator::{self as simulator, JobResult, OperationName};
use prost_types::Timestamp;

use super::{TextField, assert_ends_only_in_progress, assert_limits};
use crate::harness::{World, details_request, failure_request, poll_request, success_request};
use crate::requests::assert_invalid;

const SUCCESS: OperationName = OperationName::PutThirdPartyJobSuccessResult;

/// Ends a new job, and returns the result in the simulator's ledger.
async fn result_of(world: &World, request: Request) -> JobResult {
    world.add_for(SUCCESS, &request.job_id);
    let id = request.job_id.clone();
    world.gateway.send(request).await.ok();
    let [result] = world.simulator.ledger(&id).results.try_into().unwrap();
    result
}

fn full_revision() -> CurrentRevision {
    CurrentRevision {
        revision: "rev-ü".into(),
        change_identifier: "change \"1\"".into(),
        created: Some(Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 }),
        revision_summary: "summary".into(),
    }
}

fn full_details() -> ExecutionDetails {
    ExecutionDetails {
        summary: "all done\n".into(),
        external_execution_id: "exec-1".into(),
        percent_complete: Some(100),
    }
}

/// A request that has a value in every field.
fn full() -> Request {
    Request {
        current_revision: Some(full_revision()),
        continuation_token: Some("continue".into()),
        execution_details: Some(full_details()),
        ..success_request("job-1")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_success_reaches_aws() {
    let world = World::start().await;
    let JobResult::Success { current_revision, execution_details, next_job_id } =
        result_of(&world, full()).await
    else {
        panic!("a success")
    };
    let revision = current_revision.unwrap();
    assert_eq!((revision.revision.as_str(), revision.change_identifier.as_str()), ("rev-ü", "change \"1\""));
    assert_eq!(revision.created.unwrap().as_f64(), Some(1_700_000_000.5));
    assert_eq!(revision.revision_summary.as_deref(), Some("summary"));
    let expected = simulator::ExecutionDetails {
        summary: Some("all done\n".into()),
        external_execution_id: Some("exec-1".into()),
        percent_complete: Some(100),
    };
    assert_eq!(execution_details, Some(expected));
    assert_eq!(world.simulator.job("job-1").unwrap().status, "Succeeded");

    // The token reaches the worker of the next job.
    let next = next_job_id.unwrap();
    let polled = world.gateway.send(poll_request()).await;
    assert_eq!(polled.ok().jobs[0].job_id, next);
    let read = world.gateway.send(details_request(&next)).await;
    let job = read.ok().job_details.clone().unwrap();
    assert_eq!(job.data.unwrap().continuation_token, "continue");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_the_worker_leaves_out_stay_out() {
    let world = World::start().await;
    let bare = JobResult::Success { current_revision: None, execution_details: None, next_job_id: None };
    assert_eq!(result_of(&world, success_request("job-1")).await, bare);

    // An empty text is no text.
    let execution_details = Some(ExecutionDetails::default());
    let revision = CurrentRevision { created: None, revision_summary: String::new(), ..full_revision() };
    let current_revision = Some(revision);
    let request = Request { execution_details, current_revision, ..success_request("job-2") };
    let expected = simulator::CurrentRevision {
        revision: "rev-ü".into(),
        change_identifier: "change \"1\"".into(),
        ..Default::default()
    };
    let sparse = JobResult::Success {
        current_revision: Some(expected),
        execution_details: Some(simulator::ExecutionDetails::default()),
        next_job_id: None,
    };
    assert_eq!(result_of(&world, request).await, sparse);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_percentage_of_0_is_not_the_same_as_none() {
    let world = World::start().await;
    for (number, percent_complete) in [None, Some(0), Some(1), Some(100)].into_iter().enumerate() {
        let details = ExecutionDetails { percent_complete, ..full_details() };
        let id = format!("job-{number}");
        let request = Request { execution_details: Some(details), ..success_request(&id) };
        let JobResult::Success { execution_details, .. } = result_of(&world, request).await else {
            panic!("a success")
        };
        assert_eq!(execution_details.unwrap().percent_complete, percent_complete);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_valid_timestamp_reaches_aws() {
    let world = World::start().await;
    let rows = [
        (0, 0, 0.0),
        (0, 999_000_000, 0.999),
        (-1, 500_000_000, -0.5),
        (253_402_300_799, 0, 253_402_300_799.0),
        (-62_135_596_800, 0, -62_135_596_800.0),
    ];
    for (number, (seconds, nanos, expected)) in rows.into_iter().enumerate() {
        let created = Some(Timestamp { seconds, nanos });
        let revision = CurrentRevision { created, ..full_revision() };
        let id = format!("job-{number}");
        let request = Request { current_revision: Some(revision), ..success_request(&id) };
        let JobResult::Success { current_revision, .. } = result_of(&world, request).await else {
            panic!("a success")
        };
        assert_eq!(current_revision.unwrap().created.unwrap().as_f64(), Some(expected), "{seconds} {nanos}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_in_progress_cannot_succeed() {
    assert_ends_only_in_progress(SUCCESS, &full()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_ended_stays_as_it_is() {
    let world = World::start().await;
    result_of(&world, success_request("job-1")).await;
    assert_eq!(world.gateway.send(success_request("job-1")).await.reason(), "INVALID_JOB_STATE");
    let opposite = world.gateway.send(failure_request("job-1")).await;
    assert_eq!(opposite.reason(), "INVALID_JOB_STATE");
    assert_eq!(world.simulator.job("job-1").unwrap().status, "Succeeded");
    assert_eq!(world.simulator.ledger("job-1").results.len(), 1);
    world.stop().await;
}

/// Each value breaks a rule, and the path is the field in the error.
fn invalid() -> Vec<(&'static str, Request)> {
    let revision = |change: fn(&mut CurrentRevision)| {
        let mut revision = full_revision();
        change(&mut revision);
        Request { current_revision: Some(revision), ..full() }
    };
    let details = |percent| {
        let details = ExecutionDetails { percent_complete: Some(percent), ..full_details() };
        Request { execution_details: Some(details), ..full() }
    };
    let created = |seconds, nanos| {
        let created = Some(Timestamp { seconds, nanos });
        Request { current_revision: Some(CurrentRevision { created, ..full_revision() }), ..full() }
    };
    vec![
        ("continuation_token", Request { continuation_token: Some(String::new()), ..full() }),
        ("current_revision.revision", revision(|revision| revision.revision.clear())),
        ("current_revision.change_identifier", revision(|revision| revision.change_identifier.clear())),
        ("current_revision.created", created(253_402_300_800, 0)),
        ("current_revision.created", created(-62_135_596_801, 0)),
        ("current_revision.created", created(0, -1)),
        ("current_revision.created", created(0, 1_000_000_000)),
        ("current_revision.created", created(i64::MAX, i32::MAX)),
        ("execution_details.percent_complete", details(-1)),
        ("execution_details.percent_complete", details(101)),
        ("execution_details.percent_complete", details(i32::MIN)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_named_with_their_paths() {
    let world = World::start().await;
    for (path, request) in invalid() {
        let answer = world.gateway.send(request).await;
        assert_invalid(&answer, path);
        assert_eq!(answer.violated_fields(), [path]);
        let message = answer.status().message().to_owned();
        assert!(message.starts_with(&format!("The request is invalid: {path} must ")), "{message}");
    }
    let all = Request {
        current_revision: Some(CurrentRevision {
            created: Some(Timestamp { seconds: 0, nanos: -1 }),
            revision_summary: "s".repeat(2049),
            ..CurrentRevision::default()
        }),
        continuation_token: Some(String::new()),
        execution_details: Some(ExecutionDetails {
            summary: "s".repeat(2049),
            external_execution_id: "e".repeat(1501),
            percent_complete: Some(101),
        }),
        ..Request::default()
    };
    let answer = world.gateway.send(all).await;
    assert_invalid(&answer, "all wrong");
    let paths = [
        "job_id",
        "client_token",
        "current_revision.revision",
        "current_revision.change_identifier",
        "current_revision.created",
        "current_revision.revision_summary",
        "continuation_token",
        "execution_details.summary",
        "execution_details.external_execution_id",
        "execution_details.percent_complete",
    ];
    assert_eq!(answer.violated_fields(), paths);
    assert_eq!(world.request_count(), 0, "nothing was sent");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn length_limits_are_exact_and_count_characters() {
    fn revision(request: &mut Request) -> &mut CurrentRevision {
        request.current_revision.as_mut().unwrap()
    }
    fn details(request: &mut Request) -> &mut ExecutionDetails {
        request.execution_details.as_mut().unwrap()
    }
    let world = World::start().await;
    let fields: [TextField<Request>; 8] = [
        ("job_id", 1, 512, |request, text| request.job_id = text),
        ("client_token", 1, 256, |request, text| request.client_token = text),
        ("current_revision.revision", 1, 1500, |request, text| revision(request).revision = text),
        ("current_revision.change_identifier", 1, 100, |request, text| {
            revision(request).change_identifier = text;
        }),
        ("current_revision.revision_summary", 0, 2048, |request, text| {
            revision(request).revision_summary = text;
        }),
        ("continuation_token", 1, 2048, |request, text| request.continuation_token = Some(text)),
        ("execution_details.summary", 0, 2048, |request, text| details(request).summary = text),
        ("execution_details.external_execution_id", 0, 1500, |request, text| {
            details(request).external_execution_id = text;
        }),
    ];
    assert_limits(&full(), &fields, |request| world.gateway.send(request)).await;
    world.stop().await;
}
