//! `PutThirdPartyJobSuccessResult`.

use codepipeline_simulator::OperationName::PutThirdPartyJobSuccessResult as SUCCESS;
use codepipeline_simulator::{CurrentRevision, ExecutionDetails, Job, JobLedger, JobResult};
use serde_json::json;

use crate::{JOB, NONCE, TOKEN, call, job, job_input, simulator};

fn in_progress() -> Job {
    job().with_status("InProgress")
}

#[tokio::test]
async fn job_in_progress_succeeds_once() {
    let simulator = simulator().await;
    simulator.add_job(in_progress());
    let response = call(&simulator, SUCCESS, &job_input(JOB)).await;
    assert_eq!((response.status, &*response.body), (200, ""));
    assert_eq!(simulator.job(JOB).unwrap().status, "Succeeded");
    let again = call(&simulator, SUCCESS, &job_input(JOB)).await;
    assert_eq!(again.error_code(), "InvalidJobStateException");
    let result = JobResult::Success { current_revision: None, execution_details: None, next_job_id: None };
    assert_eq!(simulator.ledger(JOB).results, [result]);
}

#[tokio::test]
async fn ledger_contains_the_whole_result() {
    let simulator = simulator().await;
    simulator.add_job(in_progress());
    let mut input = job_input(JOB);
    input["currentRevision"] = json!({
        "revision": "r1",
        "changeIdentifier": "c1",
        "created": 1_700_000_000.5,
        "revisionSummary": "s1",
    });
    input["executionDetails"] =
        json!({ "summary": "s2", "externalExecutionId": "e1", "percentComplete": 100 });
    assert_eq!(call(&simulator, SUCCESS, &input).await.status, 200);
    let result = JobResult::Success {
        current_revision: Some(CurrentRevision {
            revision: "r1".to_owned(),
            change_identifier: "c1".to_owned(),
            created: serde_json::Number::from_f64(1_700_000_000.5),
            revision_summary: Some("s1".to_owned()),
        }),
        execution_details: Some(ExecutionDetails {
            summary: Some("s2".to_owned()),
            external_execution_id: Some("e1".to_owned()),
            percent_complete: Some(100),
        }),
        next_job_id: None,
    };
    let expected = JobLedger { dispatched: 0, acknowledged: 0, results: vec![result] };
    assert_eq!(simulator.ledger(JOB), expected);
}

#[tokio::test]
async fn checks_are_job_then_token_then_state() {
    let simulator = simulator().await;
    let input = |id: &str, token: &str| json!({ "jobId": id, "clientToken": token });
    for (id, token, code) in [
        ("other", "other", "JobNotFoundException"),
        (JOB, "other", "InvalidClientTokenException"),
        (JOB, TOKEN, "InvalidJobStateException"),
    ] {
        assert_eq!(call(&simulator, SUCCESS, &input(id, token)).await.error_code(), code);
    }
    for status in ["Created", "Queued", "Dispatched", "TimedOut", "Succeeded", "Failed"] {
        simulator.add_job(job().with_status(status));
        let response = call(&simulator, SUCCESS, &job_input(JOB)).await;
        assert_eq!(response.error_code(), "InvalidJobStateException", "{status}");
        assert_eq!(simulator.job(JOB).unwrap().status, status);
    }
    assert_eq!(simulator.ledger(JOB), JobLedger::default());
}

#[tokio::test]
async fn continuation_token_starts_a_new_job() {
    let simulator = simulator().await;
    let ended = Job { timeout_seconds: Some(60), ..in_progress().with_configuration("a", "b") };
    simulator.add_job(ended.clone());
    let mut input = job_input(JOB);
    input["continuationToken"] = json!("fake-continuation");
    assert_eq!(call(&simulator, SUCCESS, &input).await.status, 200);
    let results = simulator.ledger(JOB).results;
    let [JobResult::Success { next_job_id: Some(next), .. }] = &*results else { panic!("{results:?}") };
    let job = simulator.job(next).unwrap();
    assert_ne!(job.id, JOB);
    assert_ne!(job.nonce, NONCE);
    let expected = Job {
        id: job.id.clone(),
        nonce: job.nonce.clone(),
        status: "Queued".to_owned(),
        continuation_token: Some("fake-continuation".to_owned()),
        ..ended
    };
    assert!(job == expected);
    assert_eq!(simulator.job(JOB).unwrap().status, "Succeeded");
    assert!(!format!("{results:?} {job:?}").contains("fake-continuation"));
}

#[tokio::test]
async fn every_violation_of_a_success_is_reported() {
    let simulator = simulator().await;
    let mut input = job_input(JOB);
    input["currentRevision"] = json!({ "changeIdentifier": "", "revisionSummary": "" });
    input["continuationToken"] = json!("");
    input["executionDetails"] = json!({ "summary": "", "externalExecutionId": "", "percentComplete": 101 });
    let (code, message) = call(&simulator, SUCCESS, &input).await.error();
    let failed = "failed to satisfy constraint: Member must";
    let empty =
        |path: &str| format!("Value '' at '{path}' {failed} have length greater than or equal to 1; ");
    let expected = [
        "7 validation errors detected: ".to_owned(),
        format!("Value at 'currentRevision.revision' {failed} not be null; "),
        empty("currentRevision.changeIdentifier"),
        empty("currentRevision.revisionSummary"),
        empty("continuationToken"),
        empty("executionDetails.summary"),
        empty("executionDetails.externalExecutionId"),
        format!(
            "Value '101' at 'executionDetails.percentComplete' {failed} have value less than or equal to 100"
        ),
    ];
    assert_eq!((&*code, message), ("ValidationException", expected.concat()));
}

#[tokio::test]
async fn maximum_lengths_of_a_success_are_the_models() {
    let simulator = simulator().await;
    let input = |over: usize| {
        let text = |length: usize| "é".repeat(length + over);
        let revision = json!({
            "revision": text(1500),
            "changeIdentifier": text(100),
            "revisionSummary": text(2048),
        });
        json!({
            "jobId": JOB,
            "clientToken": TOKEN,
            "currentRevision": revision,
            "continuationToken": text(2048),
            "executionDetails": { "summary": text(2048), "externalExecutionId": text(1500) },
        })
    };
    let (code, message) = call(&simulator, SUCCESS, &input(1)).await.error();
    assert_eq!(code, "ValidationException");
    assert!(message.starts_with("6 validation errors detected: "), "{message}");
    let response = call(&simulator, SUCCESS, &input(0)).await;
    assert_eq!(response.error_code(), "InvalidJobStateException");
}
