//! Each fault of a call from the client's point of view.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use codepipeline_simulator::{
    AnswerFault, CallMoment, ErrorFault, Fault, MessageKey, RequestOutcome, Shape, Simulator, Then,
};
use serde_json::json;

use crate::client::{Call, Connection, Response};
use crate::{JOB, NONCE, TOKEN, job, simulator, within};

async fn with_fault(simulator: &Simulator, fault: impl Into<Fault>) -> std::io::Result<Response> {
    simulator.fault_next(1, fault.into());
    Call::default().send(simulator.addr()).await
}

fn last_outcome(simulator: &Simulator) -> RequestOutcome {
    simulator.requests().last().unwrap().outcome
}

#[tokio::test]
async fn errors_have_each_shape() {
    let simulator = simulator().await;
    let error = |shape, message_key| ErrorFault {
        http_status: 429,
        message: Some("Rate exceeded".to_owned()),
        shape,
        message_key,
        ..ErrorFault::new("ThrottlingException")
    };
    let uri = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.validate/";
    for (shape, key, body) in [
        (
            Shape::Type,
            MessageKey::Lower,
            json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }),
        ),
        (
            Shape::TypeNamespace,
            MessageKey::Upper,
            json!({ "__type": "com.amazonaws.codepipeline#ThrottlingException", "Message": "Rate exceeded" }),
        ),
        (Shape::TypeUri, MessageKey::Lower, json!({ "__type": uri, "message": "Rate exceeded" })),
        (Shape::Header, MessageKey::Lower, json!({ "message": "Rate exceeded" })),
        (
            Shape::Code,
            MessageKey::Lower,
            json!({ "code": "ThrottlingException", "message": "Rate exceeded" }),
        ),
    ] {
        let response = with_fault(&simulator, error(shape, key)).await.unwrap();
        assert_eq!((response.status, response.json()), (429, body));
        let header = (shape == Shape::Header).then_some("ThrottlingException");
        assert_eq!(response.headers.get("x-amzn-errortype").map(String::as_str), header);
    }
    assert_eq!(simulator.acknowledged(JOB), 0);
}

#[tokio::test]
async fn errors_have_retry_hints_on_request() {
    let simulator = simulator().await;
    let plain = with_fault(&simulator, Fault::error("ThrottlingException")).await.unwrap();
    assert_eq!((plain.status, plain.json()), (400, json!({ "__type": "ThrottlingException" })));
    assert!(!plain.headers.contains_key("retry-after") && !plain.headers.contains_key("x-amz-retry-after"));
    let hints = ErrorFault {
        retry_after_ms: Some(1500),
        retry_after_s: Some(2),
        ..ErrorFault::new("ThrottlingException")
    };
    let hinted = with_fault(&simulator, hints).await.unwrap();
    assert_eq!((&*hinted.headers["x-amz-retry-after"], &*hinted.headers["retry-after"]), ("1500", "2"));
}

#[tokio::test]
async fn any_response_is_possible() {
    let simulator = simulator().await;
    let html = AnswerFault {
        http_status: 502,
        headers: BTreeMap::from([
            ("content-type".to_owned(), "text/html".to_owned()),
            ("x-amzn-RequestId".to_owned(), "mine".to_owned()),
        ]),
        body: "<html>".to_owned(),
    };
    let response = with_fault(&simulator, html).await.unwrap();
    assert_eq!(
        (response.status, &*response.body, &*response.headers["content-type"]),
        (502, "<html>", "text/html")
    );
    assert_eq!(response.headers["x-amzn-requestid"], "mine");

    let empty = with_fault(&simulator, Fault::status(503)).await.unwrap();
    assert_eq!((empty.status, &*empty.body), (503, ""));
    let redirect = with_fault(&simulator, Fault::status(302)).await.unwrap();
    assert_eq!(redirect.status, 302);
    let wrong_type = Fault::answer(200, r#"{"status":7}"#);
    assert_eq!(with_fault(&simulator, wrong_type).await.unwrap().json(), json!({ "status": 7 }));
}

#[tokio::test]
async fn informational_response_ends_the_connection() {
    let simulator = simulator().await;
    simulator.fault_next(1, Fault::status(103));
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    connection.send(&Call::default()).await.unwrap();
    let text = connection.read_to_end().await.unwrap();
    assert!(text.starts_with("HTTP/1.1 103 ") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn fault_that_http_cannot_express_is_reported() {
    let simulator = simulator().await;
    let response = with_fault(&simulator, Fault::status(7)).await.unwrap();
    assert_eq!(response.error_code(), "SimulatorMisconfigured");
    for name in ["Content-Length", "transfer-encoding"] {
        let headers = BTreeMap::from([(name.to_owned(), "7".to_owned())]);
        let response = with_fault(&simulator, AnswerFault { headers, ..AnswerFault::default() }).await;
        assert_eq!(response.unwrap().error_code(), "SimulatorMisconfigured", "{name}");
    }
}

#[tokio::test]
async fn delay_makes_the_response_late() {
    let simulator = simulator().await;
    let start = Instant::now();
    assert_eq!(
        with_fault(&simulator, Fault::delay(50)).await.unwrap().json(),
        json!({ "status": "InProgress" })
    );
    let then = Then::Fault(Box::new(Fault::error("InternalFailure")));
    let failed = with_fault(&simulator, Fault::Delay { ms: 50, then }).await.unwrap();
    assert_eq!(failed.json(), json!({ "__type": "InternalFailure" }));
    assert!(start.elapsed() >= Duration::from_millis(100));
}

/// A client disconnects during the delay. The fault decides whether its job is acknowledged.
#[tokio::test]
async fn delay_is_before_or_after_processing() {
    let simulator = simulator().await;
    for (n, then, acknowledged) in [(1, Then::Process, 0), (2, Then::Answer, 1)] {
        simulator.fault_next(1, Fault::Delay { ms: 3_600_000, then });
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        connection.send(&Call::default()).await.unwrap();
        within(simulator.wait_for_requests(n)).await;
        drop(connection);
        within(simulator.wait_for_abandoned(n)).await;
        assert_eq!(simulator.acknowledged(JOB), acknowledged);
    }
}

#[tokio::test]
async fn hang_ends_when_the_client_disconnects() {
    let simulator = simulator().await;
    for (n, process) in [(1, false), (2, true)] {
        simulator.fault_job(JOB, Fault::Hang { process });
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        connection.send(&Call::default()).await.unwrap();
        within(simulator.wait_for_requests(n)).await;
        assert_eq!(last_outcome(&simulator), RequestOutcome::Pending);
        drop(connection);
        within(simulator.wait_for_abandoned(n)).await;
        assert_eq!(last_outcome(&simulator), RequestOutcome::Abandoned);
        assert_eq!(simulator.acknowledged(JOB), usize::from(process));
    }
    within(simulator.wait_until_idle()).await;
    within(simulator.wait_for_open_connections(0)).await;
}

#[tokio::test]
async fn hang_ends_when_the_simulator_stops() {
    let simulator = simulator().await;
    simulator.fault_next(1, Fault::Hang { process: false });
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    connection.send(&Call::default()).await.unwrap();
    within(simulator.wait_for_requests(1)).await;
    simulator.stop().await;
    assert_eq!(last_outcome(&simulator), RequestOutcome::Stopped);
    assert!(connection.response().await.is_err());
}

#[tokio::test]
async fn reset_sends_rst() {
    let simulator = simulator().await;
    for (when, acknowledged) in [(CallMoment::AfterRequestRead, 0), (CallMoment::AfterProcessing, 1)] {
        let error = with_fault(&simulator, Fault::Reset { when }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            (simulator.acknowledged(JOB), last_outcome(&simulator)),
            (acknowledged, RequestOutcome::Reset)
        );
    }
}

#[tokio::test]
async fn close_sends_fin() {
    let simulator = simulator().await;
    for (when, acknowledged) in [(CallMoment::AfterRequestRead, 0), (CallMoment::AfterProcessing, 1)] {
        let error = with_fault(&simulator, Fault::Close { when }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(
            (simulator.acknowledged(JOB), last_outcome(&simulator)),
            (acknowledged, RequestOutcome::Closed)
        );
    }
}

#[tokio::test]
async fn cut_body_sends_half_of_the_body() {
    let simulator = simulator().await;
    let cut = |process, http_status, code: Option<&str>| Fault::CutBody {
        process,
        http_status,
        code: code.map(str::to_owned),
    };
    for (fault, status_line, body, acknowledged) in [
        (cut(false, None, None), "HTTP/1.1 200 OK", "\r\n\r\n{\"status\":\"", 0),
        (cut(false, Some(500), Some("InternalFailure")), "HTTP/1.1 500 ", "\r\n\r\n{\"__type\":\"Int", 0),
        (cut(false, None, Some("InternalFailure")), "HTTP/1.1 400 ", "\r\n\r\n{\"__type\":\"Int", 0),
        (cut(true, None, None), "HTTP/1.1 200 OK", "\r\n\r\n{\"status\":\"", 1),
    ] {
        simulator.fault_next(1, fault);
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        connection.send(&Call::default()).await.unwrap();
        let text = connection.read_to_end().await.unwrap();
        assert!(text.starts_with(status_line) && text.ends_with(body), "{text}");
        assert!(text.contains("\r\ncontent-length: 2"), "{text}");
        assert_eq!(simulator.acknowledged(JOB), acknowledged);
        assert!(matches!(last_outcome(&simulator), RequestOutcome::BodyCut { .. }));
    }
}

#[tokio::test]
async fn malformed_body_is_broken_json() {
    let simulator = simulator().await;
    for (process, acknowledged) in [(false, 0), (true, 1)] {
        let response = with_fault(&simulator, Fault::MalformedBody { process }).await.unwrap();
        assert_eq!(response.status, 200);
        assert!(serde_json::from_str::<serde_json::Value>(&response.body).is_err());
        assert_eq!(simulator.acknowledged(JOB), acknowledged);
    }
}

#[tokio::test]
async fn faults_of_a_job_come_in_order_and_first() {
    let simulator = simulator().await;
    simulator.add_job(job().with_fault(2, Fault::error("A")).with_fault(1, Fault::error("B")));
    simulator.fault_job(JOB, Fault::error("C"));
    simulator.fault_next(0, Fault::error("never"));
    simulator.fault_next(2, Fault::error("D"));
    assert_eq!(simulator.job(JOB).unwrap().faults.len(), 3);
    let other = Call::of("other", NONCE, TOKEN).send(simulator.addr()).await.unwrap();
    assert_eq!(other.json(), json!({ "__type": "D" }));
    for code in ["A", "A", "B", "C", "D"] {
        let response = Call::default().send(simulator.addr()).await.unwrap();
        assert_eq!(response.json(), json!({ "__type": code }));
    }
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn faults_can_be_removed() {
    let simulator = simulator().await;
    simulator.fault_job(JOB, Fault::error("A"));
    simulator.fault_next(9, Fault::error("B"));
    simulator.clear_faults();
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

/// A fault takes precedence over the signature check, but the record contains the result of the
/// check.
#[tokio::test]
async fn records_contain_signature_fault_and_decision() {
    let simulator = simulator().await;
    let unsigned = Call { authorization: Some(String::new()), ..Call::default() };
    simulator.fault_next(1, Fault::status(500));
    unsigned.send(simulator.addr()).await.unwrap();
    Call::of(JOB, "other", TOKEN).send(simulator.addr()).await.unwrap();
    let records = serde_json::to_value(simulator.requests()).unwrap();
    let (first, second) = (&records[0], &records[1]);
    assert_eq!(first["signature"], "missing");
    assert_eq!((&first["fault"], &first["processed"]), (&json!("answer"), &json!(null)));
    assert_eq!(first["outcome"], json!({ "answered": { "http_status": 500 } }));
    assert_eq!(
        (&second["number"], &second["job_id"], &second["user_agent"]),
        (&json!(2), &json!(JOB), &json!("tests/1"))
    );
    assert_eq!(second["operation"], "AcknowledgeThirdPartyJob");
    assert_eq!((&second["signature"], &second["fault"]), (&json!("valid"), &json!(null)));
    assert_eq!(second["processed"], json!({ "http_status": 400, "error_code": "InvalidNonceException" }));
    assert!(!records.to_string().contains(TOKEN));
}
