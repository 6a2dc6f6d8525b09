//! Failures that have no error code of AWS: bare statuses, unreadable bodies, lost connections.

use codepipeline_simulator::{CallMoment, ErrorFault, Fault, OperationName};
use tonic::Code::{FailedPrecondition, Internal, NotFound, ResourceExhausted, Unknown};

use super::{Expected, Row, check_rows, expect};

fn code_with_status(code: &str, http_status: u16) -> Fault {
    Fault::Error(ErrorFault { http_status, ..ErrorFault::new(code) })
}

fn cut(http_status: Option<u16>, code: Option<&str>) -> Fault {
    Fault::CutBody { process: false, http_status, code: code.map(str::to_owned) }
}

fn other_responses() -> Vec<(&'static str, Fault, Expected)> {
    let unavailable = expect(Unknown, "AWS_UNAVAILABLE", "unknown");
    let throttled = expect(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry();
    let bad_rejection = expect(Internal, "AWS_BAD_RESPONSE", "rejected");
    let bad_success = expect(Internal, "AWS_BAD_RESPONSE", "unknown");
    let lost = expect(Unknown, "AWS_CONNECTION_LOST", "unknown");
    let unrecognized = expect(Unknown, "AWS_UNRECOGNIZED_ERROR", "rejected");
    let html = "<html><body>503 Service Temporarily Unavailable</body></html>";
    vec![
        ("a bare 500", Fault::status(500), unavailable),
        ("a bare 503", Fault::status(503), unavailable),
        ("a bare 599", Fault::status(599), unavailable),
        ("502 with HTML", Fault::answer(502, html), unavailable),
        ("500 with an unknown code", code_with_status("Whatever", 500), unavailable),
        (
            "a known code takes precedence over its 500",
            code_with_status("JobNotFoundException", 500),
            expect(NotFound, "JOB_NOT_FOUND", "rejected"),
        ),
        ("throttling takes precedence over its 503", code_with_status("ThrottlingException", 503), throttled),
        ("a bare 429", Fault::status(429), throttled),
        ("a bare 408", Fault::status(408), expect(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
        (
            "408 with an unknown code",
            code_with_status("Whatever", 408),
            expect(Unknown, "AWS_REQUEST_TIMEOUT", "unknown"),
        ),
        ("a bare 400", Fault::status(400), bad_rejection),
        ("403 with HTML", Fault::answer(403, html), bad_rejection),
        ("400 with broken JSON", Fault::answer(400, r#"{"__type":"JobNotF"#), bad_rejection),
        ("400 with JSON that isn't an object", Fault::answer(400, "[1]"), bad_rejection),
        ("400 with a code of a wrong type", Fault::answer(400, r#"{"__type":7}"#), bad_rejection),
        ("400 with an empty code", Fault::answer(400, r#"{"__type":""}"#), bad_rejection),
        (
            "a code with a message of a wrong type",
            Fault::answer(400, r#"{"__type":"InvalidNonceException","message":{"a":1}}"#),
            expect(FailedPrecondition, "INVALID_NONCE", "rejected"),
        ),
        ("413 with HTML", Fault::answer(413, html), bad_rejection),
        ("a redirect", Fault::status(301), unrecognized),
        ("a 304", Fault::status(304), unrecognized),
        ("200 with broken JSON", Fault::MalformedBody { process: true }, bad_success),
        ("200 with HTML", Fault::answer(200, html), bad_success),
        ("200 with JSON that isn't an object", Fault::answer(200, "[]"), bad_success),
        ("202 with broken JSON", Fault::answer(202, "{"), bad_success),
        ("200, cut off", cut(Some(200), None), lost),
        ("400 with a code, cut off", cut(None, Some("JobNotFoundException")), lost),
        ("200 with an endless body", Fault::answer(200, "x".repeat(100_000)), bad_success),
        ("400 with an endless body", Fault::answer(400, "x".repeat(100_000)), bad_rejection),
        ("503, cut off", cut(Some(503), None), unavailable),
        ("reset after the request was read", Fault::Reset { when: CallMoment::AfterRequestRead }, lost),
        ("reset after AWS processed the request", Fault::Reset { when: CallMoment::AfterProcessing }, lost),
        ("closed after the request was read", Fault::Close { when: CallMoment::AfterRequestRead }, lost),
        ("closed after AWS processed the request", Fault::Close { when: CallMoment::AfterProcessing }, lost),
    ]
}

/// Bodies of a 2xx with members of a wrong type.
fn wrong_types(operation: OperationName) -> &'static [&'static str] {
    match operation {
        OperationName::PollForThirdPartyJobs => {
            &[r#"{"jobs":7}"#, r#"{"jobs":[7]}"#, r#"{"jobs":[{"jobId":{}}]}"#]
        }
        OperationName::GetThirdPartyJobDetails => &[
            r#"{"jobDetails":"x"}"#,
            r#"{"jobDetails":{"nonce":[1]}}"#,
            r#"{"jobDetails":{"data":{"actionConfiguration":{"configuration":{"key":{}}}}}}"#,
            r#"{"jobDetails":{"data":{"inputArtifacts":{}}}}"#,
        ],
        OperationName::AcknowledgeThirdPartyJob => &[r#"{"status":{"a":1}}"#],
        // Their outputs have no member.
        _ => &[],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_response_has_its_row() {
    let mut rows = Vec::new();
    for operation in OperationName::ALL {
        let mut faults = other_responses();
        let bad = expect(Internal, "AWS_BAD_RESPONSE", "unknown");
        faults.extend(wrong_types(operation).iter().map(|body| (*body, Fault::answer(200, *body), bad)));
        rows.extend(faults.into_iter().map(|(what, fault, expected)| Row {
            operation,
            what: what.to_owned(),
            fault,
            aws_code: None,
            expected: expected.of(operation),
        }));
    }
    check_rows(&rows).await;
}
