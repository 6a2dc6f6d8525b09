//! The control API, as tests in other languages use it.

use codepipeline_simulator::Simulator;
use serde_json::{Value, json};

use crate::client::{Call, Connection};
use crate::{JOB, NONCE, TOKEN, simulator};

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
async fn request_list_excludes_control_requests() {
    let simulator = simulator().await;
    Call::default().send(simulator.addr()).await.unwrap();
    let (status, listed) = control(&simulator, "GET requests", &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(listed["requests"], serde_json::to_value(simulator.requests()).unwrap());
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_error_is_one_sentence() {
    let simulator = simulator().await;
    let hang = json!({ "hang": {} });
    let reset = json!({ "reset": { "when": "on_accept" } });
    for (line, body, status, text) in [
        ("GET job", Value::Null, 404, "Nothing is at /_simulator/job: there are /_simulator/jobs, "),
        ("DELETE jobs", Value::Null, 405, "DELETE is not possible here, only GET and PUT."),
        (
            "PUT jobs",
            Value::Null,
            400,
            "The body is not valid: EOF while parsing a value at line 1 column 0.",
        ),
        ("PUT jobs", json!({ "job": [] }), 400, "The body is not valid: unknown field `job`"),
        ("POST faults", json!({}), 400, "Give either `fault` or `connection_fault`."),
        ("POST faults", json!({ "fault": hang, "connection_fault": reset }), 400, "Give either"),
        (
            "POST faults",
            json!({ "fault": { "hand": {} } }),
            400,
            "The body is not valid: unknown variant `hand`",
        ),
        (
            "POST faults",
            json!({ "fault": hang, "times": 0 }),
            400,
            "The body is not valid: `times` must be at least 1",
        ),
        ("POST faults", json!({ "job_id": "other", "fault": hang }), 404, "No job has the id \"other\"."),
        (
            "POST faults",
            json!({ "job_id": JOB, "connection_fault": reset }),
            400,
            "A connection fault strikes before",
        ),
        ("POST clock", json!({}), 400, "Give `shift_seconds`, `omit_date` or both."),
        ("POST clock", json!({ "shift_seconds": "1h" }), 400, "The body is not valid: invalid type"),
    ] {
        let (actual, sentence) = error(&simulator, line, body).await;
        assert_eq!(actual, status, "{sentence}");
        assert!(sentence.starts_with(text) && sentence.ends_with('.'), "{sentence}");
    }
}
