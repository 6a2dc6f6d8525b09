//! `PutThirdPartyJobFailureResult`.

use codepipeline_simulator::OperationName::PutThirdPartyJobFailureResult as FAILURE;
use codepipeline_simulator::{FailureDetails, JobResult};
use serde_json::{Value, json};

use crate::{JOB, TOKEN, call, job, simulator};

fn input(job_id: &str, token: &str, details: &Value) -> Value {
    json!({ "jobId": job_id, "clientToken": token, "failureDetails": details })
}

fn details() -> Value {
    json!({ "type": "JobFailed", "message": "tests failed", "externalExecutionId": "e1" })
}

#[tokio::test]
async fn job_in_progress_fails_once() {
    let simulator = simulator().await;
    simulator.add_job(job().with_status("InProgress"));
    let input = input(JOB, TOKEN, &details());
    let response = call(&simulator, FAILURE, &input).await;
    assert_eq!((response.status, &*response.body), (200, ""));
    assert_eq!(simulator.job(JOB).unwrap().status, "Failed");
    assert_eq!(call(&simulator, FAILURE, &input).await.error_code(), "InvalidJobStateException");
    let result = JobResult::Failure(FailureDetails {
        kind: "JobFailed".to_owned(),
        message: "tests failed".to_owned(),
        external_execution_id: Some("e1".to_owned()),
    });
    assert_eq!(simulator.ledger(JOB).results, [result]);
}

#[tokio::test]
async fn every_failure_type_is_accepted() {
    let simulator = simulator().await;
    for kind in [
        "JobFailed",
        "ConfigurationError",
        "PermissionError",
        "RevisionOutOfSync",
        "RevisionUnavailable",
        "SystemUnavailable",
    ] {
        simulator.add_job(job().with_status("InProgress"));
        let input = input(JOB, TOKEN, &json!({ "type": kind, "message": "m" }));
        assert_eq!(call(&simulator, FAILURE, &input).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn checks_are_job_then_token_then_state() {
    let simulator = simulator().await;
    for (id, token, code) in [
        ("other", "other", "JobNotFoundException"),
        (JOB, "other", "InvalidClientTokenException"),
        (JOB, TOKEN, "InvalidJobStateException"),
    ] {
        assert_eq!(call(&simulator, FAILURE, &input(id, token, &details())).await.error_code(), code);
    }
}

#[tokio::test]
async fn every_violation_of_a_failure_is_reported() {
    let simulator = simulator().await;
    let failed = "failed to satisfy constraint: Member must";
    let long = "m".repeat(5001);
    let values = "[JobFailed, ConfigurationError, PermissionError, RevisionOutOfSync, RevisionUnavailable, \
                  SystemUnavailable]";
    for (details, text) in [
        (Value::Null, format!("1 validation error detected: Value at 'failureDetails' {failed} not be null")),
        (
            json!({}),
            format!(
                "2 validation errors detected: Value at 'failureDetails.type' {failed} not be null; \
                 Value at 'failureDetails.message' {failed} not be null"
            ),
        ),
        (
            json!({ "type": "Other", "message": long, "externalExecutionId": "" }),
            format!(
                "3 validation errors detected: Value 'Other' at 'failureDetails.type' {failed} \
                 satisfy enum value set: {values}; \
                 Value '{long}' at 'failureDetails.message' {failed} have length less than or equal to 5000; \
                 Value '' at 'failureDetails.externalExecutionId' {failed} have length greater than or \
                 equal to 1"
            ),
        ),
    ] {
        let (code, message) = call(&simulator, FAILURE, &input(JOB, TOKEN, &details)).await.error();
        assert_eq!((code, message), ("ValidationException".to_owned(), text));
    }
}
