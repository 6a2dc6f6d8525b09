//! The protocol: invalid requests, and the headers of every response.

use codepipeline_simulator::{Fault, Job};
use serde_json::json;

use crate::client::{Call, Connection};
use crate::{JOB, NONCE, TOKEN, simulator};

#[tokio::test]
async fn every_response_has_request_id_date_and_content_type() {
    let simulator = simulator().await;
    let mut ids = Vec::new();
    for call in [Call::default(), Call::default(), Call::with_body("{")] {
        let response = call.send(simulator.addr()).await.unwrap();
        let id = response.headers["x-amzn-requestid"].clone();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        assert_eq!(response.headers["content-type"], "application/x-amz-json-1.1");
        httpdate::parse_http_date(&response.headers["date"]).unwrap();
        ids.push(id);
    }
    let recorded: Vec<_> = simulator.requests().into_iter().map(|record| record.request_id).collect();
    assert_eq!(recorded, ids);
}

#[tokio::test]
async fn date_can_be_omitted() {
    let simulator = simulator().await;
    simulator.omit_date(true);
    assert!(!Call::default().send(simulator.addr()).await.unwrap().headers.contains_key("date"));
    simulator.omit_date(false);
    assert!(Call::default().send(simulator.addr()).await.unwrap().headers.contains_key("date"));
}

#[tokio::test]
async fn unknown_operation_is_rejected() {
    let simulator = simulator().await;
    let target = "CodePipeline_20150709.ListPipelines".to_owned();
    let content_type = "application/json".to_owned();
    for call in [Call { target, ..Call::default() }, Call { content_type, ..Call::default() }] {
        let response = call.send(simulator.addr()).await.unwrap();
        assert_eq!(response.error_code(), "UnknownOperationException");
    }
}

#[tokio::test]
async fn unreadable_body_is_a_serialization_error() {
    let simulator = simulator().await;
    let number = json!({ "jobId": 1, "nonce": NONCE, "clientToken": TOKEN }).to_string();
    let map = json!({ "jobId": JOB, "nonce": {}, "clientToken": TOKEN }).to_string();
    let yes = json!({ "jobId": JOB, "nonce": NONCE, "clientToken": true }).to_string();
    for (body, text) in [
        ("", "the request is not valid JSON"),
        ("{\"jobId\":", "the request is not valid JSON"),
        ("[]", "Start of structure or map not found where expected."),
        (&*number, "NUMBER_VALUE can not be converted to a String"),
        (&*map, "Start of structure or map found where not expected."),
        (&*yes, "TRUE_VALUE can not be converted to a String"),
    ] {
        let (code, message) = Call::with_body(body).send(simulator.addr()).await.unwrap().error();
        assert_eq!((&*code, &*message), ("SerializationException", text));
    }
}

#[tokio::test]
async fn every_length_violation_is_reported() {
    let simulator = simulator().await;
    let failed = "failed to satisfy constraint: Member must";
    let long = "n".repeat(51);
    for (body, text) in [
        (
            json!({ "jobId": JOB, "nonce": long, "clientToken": TOKEN }),
            format!(
                "1 validation error detected: Value '{long}' at 'nonce' {failed} have length less than or \
                 equal to 50"
            ),
        ),
        (
            json!({ "jobId": JOB, "nonce": "", "clientToken": TOKEN }),
            format!(
                "1 validation error detected: Value '' at 'nonce' {failed} have length greater than or equal \
                 to 1"
            ),
        ),
        (
            json!({ "jobId": "", "nonce": null }),
            format!(
                "3 validation errors detected: Value '' at 'jobId' {failed} have length greater than or \
                 equal to 1; Value at 'nonce' {failed} not be null; \
                 Value at 'clientToken' {failed} not be null"
            ),
        ),
    ] {
        let (code, message) =
            Call::with_body(&body.to_string()).send(simulator.addr()).await.unwrap().error();
        assert_eq!((code, message), ("ValidationException".to_owned(), text));
    }
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let simulator = simulator().await;
    // One character each, of two and of four bytes.
    for (id, nonce, token) in [
        ("é".repeat(512), "é".repeat(50), "🦀".repeat(256)),
        (JOB.to_owned(), "🦀".repeat(50), TOKEN.to_owned()),
    ] {
        let response = Call::of(&id, &nonce, &token).send(simulator.addr()).await.unwrap();
        assert_ne!(response.error_code(), "ValidationException");
    }
    for (id, nonce, token) in
        [("é".repeat(513), "é", "é".to_owned()), ("é".to_owned(), "é", "🦀".repeat(257))]
    {
        let response = Call::of(&id, nonce, &token).send(simulator.addr()).await.unwrap();
        assert_eq!(response.error_code(), "ValidationException");
    }
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let simulator = simulator().await;
    let body = json!({ "jobId": JOB, "nonce": NONCE, "clientToken": TOKEN, "future": [1] }).to_string();
    assert_eq!(Call::with_body(&body).send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn body_over_one_mebibyte_is_rejected() {
    let simulator = simulator().await;
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    let length = ((1 << 20) + 1).to_string();
    // The body is announced but not sent. The response must not wait for it.
    let headers = [("host", simulator.addr().to_string()), ("content-length", length)];
    connection.request("POST / HTTP/1.1", &headers, "").await.unwrap();
    let response = connection.response().await.unwrap();
    assert_eq!(
        (response.status, response.json()),
        (413, json!({ "__type": "RequestEntityTooLargeException" }))
    );
}

#[tokio::test]
async fn long_job_id_is_cut_in_its_record_only() {
    let simulator = simulator().await;
    let id = "é".repeat(600);
    simulator.add_job(Job::new(&id, NONCE, TOKEN).with_fault(1, Fault::error("A")));
    let response = Call::of(&id, NONCE, TOKEN).send(simulator.addr()).await.unwrap();
    assert_eq!(response.json(), json!({ "__type": "A" }));
    assert_eq!(simulator.requests()[0].job_id, Some("é".repeat(512)));
}

#[tokio::test]
async fn connection_serves_many_calls() {
    let simulator = simulator().await;
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    for _ in 0..3 {
        connection.call(&Call::default()).await.unwrap();
    }
    let connections: Vec<_> = simulator.requests().iter().map(|record| record.connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[tokio::test]
async fn other_protocols_are_rejected_in_words() {
    let simulator = simulator().await;
    let path = "POST /service/CodePipeline_20150709/operation/PollForThirdPartyJobs HTTP/1.1";
    for (line, header, protocol) in [
        (path, ("smithy-protocol", "rpc-v2-cbor"), "rpc-v2-cbor"),
        (path, ("accept", "application/cbor"), "rpc-v2"),
        ("POST / HTTP/1.1", ("smithy-protocol", "rpc-v2-json"), "rpc-v2-json"),
    ] {
        let headers = [
            ("host", simulator.addr().to_string()),
            ("content-length", "1".to_owned()),
            (header.0, header.1.to_owned()),
        ];
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        connection.request(line, &headers, "\u{7f}").await.unwrap();
        let (code, message) = connection.response().await.unwrap().error();
        assert_eq!(code, "UnknownOperationException");
        assert!(message.starts_with("The simulator supports awsJson1.1 only: POST / with "), "{message}");
        assert!(message.ends_with(&format!("This request uses {protocol}.")), "{message}");
    }
}
