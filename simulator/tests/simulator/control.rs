//! The control API, as tests in other languages use it.

use codepipeline_simulator::{Job, OperationName, Simulator};
use serde_json::{Value, json};

use crate::client::{Call, Connection};
use crate::{JOB, NONCE, TOKEN, call, job, job_input, poll_input, polled, simulator};

async fn control(simulator: &Simulator, line: &str, body: &Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("host", simulator.addr().to_string()), ("content-length", body.len().to_string())];
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    connection.request(&format!("{method} /_simulator/{path} HTTP/1.1"), &headers, &body).await.unwrap();
    let response = connection.response().await.unwrap();
    assert_eq!(response.headers["content-type"], "application/json");
    (response.status, response.json())
}

/// The status and the error of a request that must fail.
async fn error(simulator: &Simulator, line: &str, body: Value) -> (u16, String) {
    let (status, body) = control(simulator, line, &body).await;
    (status, body["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn jobs_are_added_and_listed() {
    let simulator = simulator().await;
    let job = json!({
        "id": "job-2",
        "nonce": "n",
        "client_token": "t",
        "status": "Dispatched",
        "answer_status": null,
        "faults": [{ "times": 2, "fault": { "hang": { "process": false } } }],
    });
    let file = json!({ "jobs": [job], "second_acknowledge": "status" });
    assert_eq!(control(&simulator, "PUT jobs", &file).await, (200, json!({ "added": 1 })));

    let (status, listed) = control(&simulator, "GET jobs", &Value::Null).await;
    assert_eq!((status, &listed["second_acknowledge"]), (200, &json!("status")));
    assert_eq!(
        listed["jobs"][0],
        json!({ "id": JOB, "nonce": NONCE, "client_token": TOKEN, "status": "Dispatched" })
    );
    assert_eq!(listed["jobs"][1], job);
    // The listed jobs are a valid job file.
    assert_eq!(control(&simulator, "PUT jobs", &listed).await, (200, json!({ "added": 2 })));
}

#[tokio::test]
async fn faults_are_planned_and_removed() {
    let simulator = simulator().await;
    let any = json!({ "times": 2, "fault": { "error": { "code": "A" } } });
    let own = json!({ "job_id": JOB, "fault": { "error": { "code": "B" } } });
    let reset = json!({ "connection_fault": { "reset": { "when": "before_request_read" } } });
    for fault in [any, own] {
        assert_eq!(control(&simulator, "POST faults", &fault).await, (200, json!({})));
    }
    for code in ["B", "A"] {
        let response = Call::default().send(simulator.addr()).await.unwrap();
        assert_eq!(response.json(), json!({ "__type": code }));
    }
    assert_eq!(control(&simulator, "DELETE faults", &Value::Null).await, (200, json!({})));
    assert_eq!(control(&simulator, "POST faults", &reset).await, (200, json!({})));
    assert!(Call::default().send(simulator.addr()).await.is_err());
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn clock_is_shifted() {
    let simulator = simulator().await;
    let shift = json!({ "shift_seconds": -3600, "omit_date": true });
    assert_eq!(control(&simulator, "POST clock", &shift).await, (200, json!({})));
    let response = Call::default().send(simulator.addr()).await.unwrap();
    assert_eq!(response.error_code(), "InvalidSignatureException");
    assert!(!response.headers.contains_key("date"));
}

#[tokio::test]
async fn clock_is_advanced() {
    let simulator = simulator().await;
    simulator.add_job(job().with_status("Queued"));
    let poll = OperationName::PollForThirdPartyJobs;
    assert_eq!(polled(&call(&simulator, poll, &poll_input(1)).await), [JOB]);
    for _ in 0..2 {
        assert!(polled(&call(&simulator, poll, &poll_input(1)).await).is_empty());
        let advance = json!({ "advance_seconds": 8 });
        assert_eq!(control(&simulator, "POST clock", &advance).await, (200, json!({})));
    }
    assert_eq!(polled(&call(&simulator, poll, &poll_input(1)).await), [JOB]);
}

#[tokio::test]
async fn settings_are_changed_and_listed() {
    let simulator = simulator().await;
    let action_type = json!({ "category": "Test", "owner": "ThirdParty", "provider": "P", "version": "1" });
    let settings = json!({
        "jobs": [],
        "redispatch_after_seconds": 0,
        "redispatch_nonce": "new",
        "action_types": [action_type],
    });
    assert_eq!(control(&simulator, "PUT jobs", &settings).await, (200, json!({ "added": 0 })));
    let (_, listed) = control(&simulator, "GET jobs", &Value::Null).await;
    for setting in ["redispatch_after_seconds", "redispatch_nonce", "action_types"] {
        assert_eq!(listed[setting], settings[setting]);
    }
    let poll = OperationName::PollForThirdPartyJobs;
    assert_eq!(polled(&call(&simulator, poll, &poll_input(1)).await), [JOB]);
    assert_ne!(simulator.job(JOB).unwrap().nonce, NONCE);
}

#[tokio::test]
async fn ledger_is_listed() {
    let simulator = simulator().await;
    simulator.add_job(Job::new("job-2", NONCE, TOKEN).with_status("InProgress"));
    Call::default().send(simulator.addr()).await.unwrap();
    let success = OperationName::PutThirdPartyJobSuccessResult;
    let mut input = job_input(JOB);
    input["executionDetails"] = json!({ "summary": "s" });
    assert_eq!(call(&simulator, success, &input).await.status, 200);
    input = job_input("job-2");
    input["failureDetails"] = json!({ "type": "JobFailed", "message": "m" });
    let failure = OperationName::PutThirdPartyJobFailureResult;
    assert_eq!(call(&simulator, failure, &input).await.status, 200);

    let (status, listed) = control(&simulator, "GET ledger", &Value::Null).await;
    let success = json!({ "success": { "execution_details": { "summary": "s" } } });
    let failure = json!({ "failure": { "type": "JobFailed", "message": "m" } });
    assert_eq!(status, 200);
    assert_eq!(
        listed["ledger"],
        json!([
            { "job_id": JOB, "dispatched": 0, "acknowledged": 1, "results": [success] },
            { "job_id": "job-2", "dispatched": 0, "acknowledged": 0, "results": [failure] },
        ])
    );
}

#[tokio::test]
async fn faults_are_limited_to_an_operation() {
    let simulator = simulator().await;
    let operation = "GetThirdPartyJobDetails";
    for fault in [
        json!({ "operation": operation, "fault": { "error": { "code": "B" } } }),
        json!({ "operation": operation, "job_id": JOB, "fault": { "error": { "code": "A" } } }),
    ] {
        assert_eq!(control(&simulator, "POST faults", &fault).await, (200, json!({})));
    }
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
    for code in ["A", "B"] {
        let response = call(&simulator, OperationName::GetThirdPartyJobDetails, &job_input(JOB)).await;
        assert_eq!(response.json(), json!({ "__type": code }));
    }
}

#[tokio::test]
async fn request_list_excludes_control_requests() {
    let simulator = simulator().await;
    Call::default().send(simulator.addr()).await.unwrap();
    let (status, listed) = control(&simulator, "GET requests", &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(listed["requests"], serde_json::to_value(simulator.requests()).unwrap());
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
}

/// Checks that a request fails with this status and with one sentence that starts with this text.
async fn assert_error(simulator: &Simulator, line: &str, body: Value, (status, text): (u16, &str)) {
    let (actual, sentence) = error(simulator, line, body).await;
    assert_eq!(actual, status, "{sentence}");
    assert!(sentence.starts_with(text) && sentence.ends_with('.'), "{sentence}");
}

#[tokio::test]
async fn every_error_is_one_sentence() {
    let simulator = simulator().await;
    for (line, body, status, text) in [
        ("GET job", Value::Null, 404, "/_simulator/job doesn't exist. Use /_simulator/jobs, "),
        ("DELETE jobs", Value::Null, 405, "This path doesn't support DELETE. Use GET or PUT."),
        ("PUT ledger", Value::Null, 405, "This path doesn't support PUT. Use GET."),
        ("PUT jobs", Value::Null, 400, "The body isn't valid: EOF while parsing a value at line 1 column 0."),
        ("PUT jobs", json!({ "job": [] }), 400, "The body isn't valid: unknown field `job`"),
        ("POST clock", json!({ "advance_seconds": -1 }), 400, "The body isn't valid: invalid value"),
        ("POST clock", json!({}), 400, "Set `shift_seconds`, `advance_seconds`, or `omit_date`."),
        ("POST clock", json!({ "shift_seconds": "1h" }), 400, "The body isn't valid: invalid type"),
    ] {
        assert_error(&simulator, line, body, (status, text)).await;
    }
}

#[tokio::test]
async fn every_error_of_a_fault_is_one_sentence() {
    let simulator = simulator().await;
    let hang = json!({ "hang": {} });
    let reset = json!({ "reset": { "when": "on_accept" } });
    let details = "GetThirdPartyJobDetails";
    for (body, status, text) in [
        (json!({}), 400, "Set either `fault` or `connection_fault`."),
        (json!({ "fault": hang, "connection_fault": reset }), 400, "Set either"),
        (json!({ "fault": { "hand": {} } }), 400, "The body isn't valid: unknown variant `hand`"),
        (json!({ "fault": hang, "times": 0 }), 400, "The body isn't valid: `times` must be at least 1"),
        (
            json!({ "operation": "ListPipelines", "fault": hang }),
            400,
            "The body isn't valid: unknown variant `ListPipelines`",
        ),
        (json!({ "job_id": "other", "fault": hang }), 404, "No job has the ID \"other\". Add the job first."),
        (json!({ "job_id": JOB, "connection_fault": reset }), 400, "A connection fault applies before"),
        (
            json!({ "operation": details, "connection_fault": reset }),
            400,
            "A connection fault applies before",
        ),
    ] {
        assert_error(&simulator, "POST faults", body, (status, text)).await;
    }
}
