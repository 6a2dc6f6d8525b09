//! The spans of attempts, and the ends of calls in their spans.

use std::time::Duration;

use codepipeline_simulator::{ErrorFault, Fault, Job};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tonic::Request;

use super::{attempts, calls, is_error, traced, world};
use crate::harness::collector::{Collector, attribute, traces};
use crate::harness::{NONCE, PATIENCE, TOKEN, World, request, request_within};

/// The end of a call, and the attributes of its span.
struct Row {
    /// The fault at AWS, and the job ID.
    fault: &'static str,
    code: &'static str,
    is_error: bool,
    reason: &'static str,
    outcome: &'static str,
    /// The error type of each attempt.
    attempts: &'static [&'static str],
}

/// A row where the span of the call is not an error.
const fn row(
    fault: &'static str,
    code: &'static str,
    reason: &'static str,
    outcome: &'static str,
    attempts: &'static [&'static str],
) -> Row {
    Row { fault, code, is_error: false, reason, outcome, attempts }
}

impl Row {
    /// The same row, where the span of the call is an error.
    const fn error(self) -> Self {
        Self { is_error: true, ..self }
    }
}

const ROWS: [Row; 14] = [
    row("JobNotFoundException", "NOT_FOUND", "JOB_NOT_FOUND", "rejected", &["JobNotFoundException"]),
    row(
        "InvalidNonceException",
        "FAILED_PRECONDITION",
        "INVALID_NONCE",
        "rejected",
        &["InvalidNonceException"],
    ),
    row(
        "InvalidClientTokenException",
        "PERMISSION_DENIED",
        "INVALID_CLIENT_TOKEN",
        "rejected",
        &["InvalidClientTokenException"],
    ),
    row("ValidationException", "INVALID_ARGUMENT", "VALIDATION_FAILED", "rejected", &["ValidationException"]),
    row(
        "ThrottlingException",
        "RESOURCE_EXHAUSTED",
        "AWS_THROTTLED",
        "rejected",
        &["ThrottlingException"; 3],
    ),
    row("InternalFailure", "UNKNOWN", "AWS_UNAVAILABLE", "unknown", &["InternalFailure"]).error(),
    row("RequestTimeoutException", "UNKNOWN", "AWS_REQUEST_TIMEOUT", "unknown", &["RequestTimeoutException"])
        .error(),
    row("AccessDeniedException", "INTERNAL", "GATEWAY_ACCESS_DENIED", "rejected", &["AccessDeniedException"])
        .error(),
    row(
        "ExpiredTokenException",
        "UNAVAILABLE",
        "GATEWAY_CREDENTIALS_EXPIRED",
        "rejected",
        &["ExpiredTokenException"],
    )
    .error(),
    row("MadeUpException", "UNKNOWN", "AWS_UNRECOGNIZED_ERROR", "rejected", &["_OTHER"]).error(),
    row("cut", "UNKNOWN", "AWS_CONNECTION_LOST", "unknown", &["AWS_CONNECTION_LOST"]).error(),
    row("malformed", "INTERNAL", "AWS_BAD_RESPONSE", "unknown", &["AWS_BAD_RESPONSE"]).error(),
    row("hang", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "unknown", &["abandoned"]).error(),
    row("", "INVALID_ARGUMENT", "INVALID_REQUEST", "not_sent", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_have_the_end_of_the_call_and_of_each_attempt() {
    let collector = Collector::start().await;
    // The gateway alone ends the call that hangs. A deadline of the client would race with it.
    let mut settings = traced(traces(&collector));
    settings.deadlines.default = Duration::from_millis(1500);
    let world = World::on(settings).await;
    for Row { fault: id, .. } in ROWS {
        let fault = match id {
            "cut" => Fault::CutBody { process: true, http_status: None, code: None },
            "malformed" => Fault::MalformedBody { process: true },
            "hang" => Fault::Hang { process: false },
            code => Fault::Error(ErrorFault::new(code)),
        };
        world.simulator.add_job(Job::new(id, NONCE, TOKEN).with_fault(3, fault));
        let by_default = id == "hang";
        let request = if by_default { Request::new(request(id)) } else { request_within(id, PATIENCE) };
        world.gateway.send(request).await;
    }
    world.stop().await;

    let spans = collector.spans();
    let calls = calls(&spans);
    assert_eq!(calls.len(), ROWS.len());
    for (call, row) in calls.into_iter().zip(ROWS) {
        let what = row.fault;
        let of_call = |key| attribute(call, key);
        assert_eq!(of_call("codepipeline_gateway.job_id").unwrap_or_default(), what);
        assert_eq!(of_call("rpc.status_code").as_deref(), Some(row.code), "{what}");
        assert_eq!(is_error(call), row.is_error, "{what}");
        assert_eq!(of_call("error.type").as_deref(), row.is_error.then_some(row.code), "{what}");
        assert_eq!(of_call("codepipeline_gateway.reason").as_deref(), Some(row.reason), "{what}");
        assert_eq!(of_call("codepipeline_gateway.outcome").as_deref(), Some(row.outcome), "{what}");
        assert_eq!(
            of_call("codepipeline_gateway.attempts").unwrap(),
            row.attempts.len().to_string(),
            "{what}"
        );
        let attempts = attempts(&spans, call);
        let errors: Vec<_> = attempts.iter().filter_map(|attempt| attribute(attempt, "error.type")).collect();
        assert_eq!(errors, row.attempts, "{what}");
        for (number, attempt) in attempts.iter().enumerate() {
            assert!(is_error(attempt) && attempt.kind() == SpanKind::Client, "{what}");
            let seen = attribute(attempt, "codepipeline_gateway.attempt");
            assert_eq!(seen, Some((number + 1).to_string()), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_attempt_and_its_retry_have_a_span_each() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    let throttled = ErrorFault { http_status: 429, ..ErrorFault::new("ThrottlingException") };
    world.simulator.add_job(Job::new("job-1", NONCE, TOKEN).with_fault(1, Fault::Error(throttled)));
    world.acknowledge("job-1").await.ok();
    world.stop().await;
    let spans = collector.spans();
    let call = calls(&spans)[0];
    assert!(!is_error(call) && attribute(call, "codepipeline_gateway.reason").is_none());
    let attempts = attempts(&spans, call);
    let ends: Vec<_> = attempts
        .iter()
        .map(|attempt| (is_error(attempt), attribute(attempt, "http.response.status_code").unwrap()))
        .collect();
    assert_eq!(ends, [(true, "429".into()), (false, "200".into())]);
    assert!(attempts[0].end_time_unix_nano <= attempts[1].start_time_unix_nano);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_canceled_call_end_with_it() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.acknowledge("job-1") => panic!("the call ends"),
        () = world.wait_for_requests(1) => {}
    }
    let spans = collector.wait_for_spans(2).await;
    let call = calls(&spans)[0];
    assert_eq!(attribute(call, "rpc.status_code").as_deref(), Some("CANCELLED"));
    assert_eq!(attribute(call, "codepipeline_gateway.reason").as_deref(), Some("CALLER_CANCELLED"));
    assert_eq!(attribute(call, "codepipeline_gateway.outcome").as_deref(), Some("unknown"));
    assert!(!is_error(call), "a cancellation isn't an error of the server");
    let attempt = attempts(&spans, call)[0];
    assert_eq!((is_error(attempt), attribute(attempt, "error.type").as_deref()), (true, Some("abandoned")));
    world.stop().await;
}
