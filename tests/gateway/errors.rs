//! The table of errors, row by row: what AWS or the network does, and what a caller is told.
//!
//! The expectations stand here in full and are not taken from the program's own table.

use std::collections::BTreeSet;
use std::time::Duration;

use codepipeline_gateway::error::Reason;
use codepipeline_simulator::{AnswerFault, CallMoment, ErrorFault, Fault, MessageKey, Shape};
use futures_util::{StreamExt, stream};
use tonic::Code::{self, *};

use crate::harness::{Answer, NONCE, REGION, TOKEN, World};

/// What a caller must be told.
#[derive(Clone, Copy, Debug)]
struct Told {
    code: Code,
    reason: &'static str,
    outcome: &'static str,
    attempts: u32,
    retry_info: bool,
}

const fn told(code: Code, reason: &'static str, outcome: &'static str) -> Told {
    Told { code, reason, outcome, attempts: 1, retry_info: false }
}

impl Told {
    const fn after(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    const fn retry(self) -> Self {
        Self { retry_info: true, ..self }
    }

    /// Checks everything that holds for every error, whatever its row.
    fn check(self, answer: &Answer, what: &str) {
        let status = answer.status();
        let details = answer.details();
        let info = details.error_info().unwrap_or_else(|| panic!("{what}: no ErrorInfo in {status:?}"));
        let seen = (status.code(), info.reason.as_str(), info.metadata["outcome"].as_str());
        assert_eq!(seen, (self.code, self.reason, self.outcome), "{what}: {status:?}");
        assert_eq!(info.metadata["attempts"], self.attempts.to_string(), "{what}: attempts");
        assert_eq!(info.metadata["region"], REGION, "{what}");
        assert_eq!(info.domain, "codepipeline-gateway", "{what}");
        assert_eq!(details.retry_info().is_some(), self.retry_info, "{what}: RetryInfo");
        assert_eq!(
            answer.header("grpc-retry-pushback-ms").is_some(),
            self.outcome == "unknown",
            "{what}: pushback"
        );
        let safe = !matches!(self.code, Unavailable | ResourceExhausted) || self.outcome != "unknown";
        assert!(safe, "{what}: a mesh would repeat a call that may have happened");
        let id = details.request_info().expect("RequestInfo").request_id.clone();
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()), "{what}");
        check_message(status.message(), what);
        let all = format!("{status:?} {details:?} {:?}", answer.metadata);
        assert!(!all.contains(NONCE) && !all.contains(TOKEN), "{what}: a secret shows in {all}");
        let size: usize =
            answer.metadata.clone().into_headers().iter().map(|(k, v)| k.as_str().len() + v.len()).sum();
        assert!(
            size + status.message().len() * 3 + status.details().len() * 2 < 4096,
            "{what}: {size} bytes of metadata"
        );
    }
}

/// One sentence for a person.
fn check_message(message: &str, what: &str) {
    assert!(message.ends_with('.') && message.len() > 30 && message.is_ascii(), "{what}: {message:?}");
    assert!(message.starts_with(|c: char| c.is_ascii_uppercase()), "{what}: {message:?}");
    for inside in ["Error(", "Exception", "{", "::", "arn:", "Some("] {
        assert!(!message.contains(inside), "{what}: {message:?} shows {inside}");
    }
}

/// Every AWS code of the contract's table, and what it means.
#[rustfmt::skip]
const CODES: [(&str, Told); 48] = [
    ("ValidationException", told(InvalidArgument, "VALIDATION_FAILED", "rejected")),
    ("ValidationError", told(InvalidArgument, "VALIDATION_FAILED", "rejected")),
    ("JobNotFoundException", told(NotFound, "JOB_NOT_FOUND", "rejected")),
    ("InvalidNonceException", told(FailedPrecondition, "INVALID_NONCE", "rejected")),
    ("InvalidClientTokenException", told(PermissionDenied, "INVALID_CLIENT_TOKEN", "rejected")),
    ("Throttling", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("ThrottlingException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("ThrottledException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("RequestThrottledException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("TooManyRequestsException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("ProvisionedThroughputExceededException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("TransactionInProgressException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("RequestLimitExceeded", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("BandwidthLimitExceeded", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("LimitExceededException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("RequestThrottled", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("SlowDown", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("PriorRequestNotComplete", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("EC2ThrottledException", told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry()),
    ("ServiceUnavailable", told(Unknown, "AWS_UNAVAILABLE", "unknown")),
    ("InternalFailure", told(Unknown, "AWS_UNAVAILABLE", "unknown")),
    ("InternalError", told(Unknown, "AWS_UNAVAILABLE", "unknown")),
    ("RequestTimeout", told(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
    ("RequestTimeoutException", told(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
    ("RequestAbortedException", told(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
    ("AccessDenied", told(Internal, "GATEWAY_ACCESS_DENIED", "rejected")),
    ("AccessDeniedException", told(Internal, "GATEWAY_ACCESS_DENIED", "rejected")),
    ("NotAuthorized", told(Internal, "GATEWAY_ACCESS_DENIED", "rejected")),
    ("UnauthorizedOperation", told(Internal, "GATEWAY_ACCESS_DENIED", "rejected")),
    ("OptInRequired", told(Internal, "GATEWAY_ACCESS_DENIED", "rejected")),
    ("ExpiredToken", told(Unavailable, "GATEWAY_CREDENTIALS_EXPIRED", "rejected").retry()),
    ("ExpiredTokenException", told(Unavailable, "GATEWAY_CREDENTIALS_EXPIRED", "rejected").retry()),
    ("RequestExpired", told(Unavailable, "GATEWAY_CREDENTIALS_EXPIRED", "rejected").retry()),
    ("RequestTimeTooSkewed", told(Unavailable, "GATEWAY_CLOCK_SKEW", "rejected").after(2).retry()),
    ("UnrecognizedClientException", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("InvalidClientTokenId", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("InvalidAccessKeyId", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("MissingAuthenticationToken", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("MissingAuthenticationTokenException", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("SignatureDoesNotMatch", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("IncompleteSignatureException", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("InvalidSignatureException", told(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected")),
    ("SerializationException", told(Internal, "GATEWAY_BUG", "rejected")),
    ("UnknownOperationException", told(Internal, "GATEWAY_BUG", "rejected")),
    ("MalformedHttpRequestException", told(Internal, "GATEWAY_BUG", "rejected")),
    ("RequestEntityTooLargeException", told(Internal, "GATEWAY_BUG", "rejected")),
    ("ConcurrentModificationException", told(Unknown, "AWS_UNRECOGNIZED_ERROR", "rejected")),
    ("Throttling2", told(Unknown, "AWS_UNRECOGNIZED_ERROR", "rejected")),
];

/// The rows that a code with an unusual HTTP status or spelling of its own has.
const BARE_CODES: [(&str, Told); 3] = [
    ("UnknownOperation", told(Internal, "GATEWAY_BUG", "rejected")),
    ("MalformedHttpRequest", told(Internal, "GATEWAY_BUG", "rejected")),
    ("RequestEntityTooLarge", told(Internal, "GATEWAY_BUG", "rejected")),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_aws_code_in_every_wire_shape_has_its_row() {
    let world = World::start().await;
    let mut rows = Vec::new();
    for (code, told) in CODES.into_iter().chain(BARE_CODES) {
        for shape in [Shape::Type, Shape::TypeNamespace, Shape::TypeUri, Shape::Header, Shape::Code] {
            for message_key in [MessageKey::Lower, MessageKey::Upper] {
                let job = format!("job-{}", rows.len());
                rows.push(check_code(&world, job, code, shape, message_key, told));
            }
        }
    }
    assert_eq!(rows.len(), 51 * 5 * 2);
    // A few at a time: most of the time is the backoff of the throttled ones.
    stream::iter(rows).buffer_unordered(16).collect::<()>().await;
    world.stop().await;
}

async fn check_code(
    world: &World,
    job: String,
    code: &str,
    shape: Shape,
    message_key: MessageKey,
    told: Told,
) {
    let message = Some(format!("AWS says {NONCE} and {TOKEN} of arn:aws:iam::123456789012:role/x"));
    let fault = ErrorFault { shape, message_key, message, ..ErrorFault::new(code) };
    world.add(&job);
    (0..3).for_each(|_| world.simulator.fault_job(&job, Fault::Error(fault.clone())));
    let answer = world.acknowledge(&job).await;
    let what = format!("{code} as {shape:?} with {message_key:?}");
    told.check(&answer, &what);
    let info = answer.info();
    assert_eq!(info["awsErrorCode"], code, "{what}");
    assert_eq!(info["httpStatus"], "400", "{what}");
    assert_eq!(answer.header("x-amzn-requestid"), Some(info["awsRequestId"].as_str()), "{what}");
    assert_eq!(world.requests_for(&job), told.attempts as usize, "{what}: requests that AWS saw");
}

fn answer(http_status: u16, body: &str) -> Fault {
    Fault::Answer(AnswerFault { http_status, body: body.into(), ..AnswerFault::default() })
}

fn code_with_status(code: &str, http_status: u16) -> Fault {
    Fault::Error(ErrorFault { http_status, ..ErrorFault::new(code) })
}

fn cut(http_status: Option<u16>, code: Option<&str>) -> Fault {
    Fault::CutBody { process: false, http_status, code: code.map(str::to_owned) }
}

#[rustfmt::skip]
fn other_answers() -> Vec<(&'static str, Fault, Told)> {
    let unavailable = told(Unknown, "AWS_UNAVAILABLE", "unknown");
    let throttled = told(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry();
    let bad_refusal = told(Internal, "AWS_BAD_RESPONSE", "rejected");
    let bad_success = told(Internal, "AWS_BAD_RESPONSE", "unknown");
    let lost = told(Unknown, "AWS_CONNECTION_LOST", "unknown");
    let unrecognized = told(Unknown, "AWS_UNRECOGNIZED_ERROR", "rejected");
    let html = "<html><body>503 Service Temporarily Unavailable</body></html>";
    vec![
        ("a bare 500", Fault::status(500), unavailable),
        ("a bare 503", Fault::status(503), unavailable),
        ("a bare 599", Fault::status(599), unavailable),
        ("502 with HTML", answer(502, html), unavailable),
        ("500 with a code that nobody knows", code_with_status("Whatever", 500), unavailable),
        ("a known code counts before its 500", code_with_status("JobNotFoundException", 500), told(NotFound, "JOB_NOT_FOUND", "rejected")),
        ("throttling counts before its 503", code_with_status("ThrottlingException", 503), throttled),
        ("a bare 429", Fault::status(429), throttled),
        ("a bare 408", Fault::status(408), told(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
        ("408 with a code that nobody knows", code_with_status("Whatever", 408), told(Unknown, "AWS_REQUEST_TIMEOUT", "unknown")),
        ("a bare 400", Fault::status(400), bad_refusal),
        ("403 with HTML", answer(403, html), bad_refusal),
        ("400 with broken JSON", answer(400, r#"{"__type":"JobNotF"#), bad_refusal),
        ("400 with JSON that isn't an object", answer(400, "[1]"), bad_refusal),
        ("400 with a code of a wrong type", answer(400, r#"{"__type":7}"#), bad_refusal),
        ("400 with an empty code", answer(400, r#"{"__type":""}"#), bad_refusal),
        ("a code survives a message of a wrong type", answer(400, r#"{"__type":"InvalidNonceException","message":{"a":1}}"#), told(FailedPrecondition, "INVALID_NONCE", "rejected")),
        ("413 with HTML", answer(413, html), bad_refusal),
        ("a redirect", Fault::status(301), unrecognized),
        ("a 304", Fault::status(304), unrecognized),
        ("200 with broken JSON", Fault::MalformedBody { process: true }, bad_success),
        ("200 with HTML", answer(200, html), bad_success),
        ("200 with a status of a wrong type", answer(200, r#"{"status":{"a":1}}"#), bad_success),
        ("200 with JSON that isn't an object", answer(200, "[]"), bad_success),
        ("202 with broken JSON", answer(202, "{"), bad_success),
        ("200, cut in the middle", cut(Some(200), None), lost),
        ("400 with a code, cut in the middle", cut(None, Some("JobNotFoundException")), lost),
        ("200, and no end to its body", answer(200, &"x".repeat(100_000)), bad_success),
        ("400, and no end to its body", answer(400, &"x".repeat(100_000)), bad_refusal),
        ("503, cut in the middle", cut(Some(503), None), unavailable),
        ("reset after the request was read", Fault::Reset { when: CallMoment::AfterRequestRead }, lost),
        ("reset after AWS did it", Fault::Reset { when: CallMoment::AfterProcessing }, lost),
        ("closed after the request was read", Fault::Close { when: CallMoment::AfterRequestRead }, lost),
        ("closed after AWS did it", Fault::Close { when: CallMoment::AfterProcessing }, lost),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_answer_has_its_row() {
    let world = World::start().await;
    for (number, (what, fault, told)) in other_answers().into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        (0..3).for_each(|_| world.simulator.fault_job(&job, fault.clone()));
        let answer = world.acknowledge(&job).await;
        told.check(&answer, what);
        assert_eq!(world.requests_for(&job), told.attempts as usize, "{what}: requests that AWS saw");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn details_tell_what_the_code_can_not() {
    let world = World::start().await;
    let long = "ü".repeat(512);
    let missing = world.acknowledge(&long).await.details();
    let resource = missing.resource_info().unwrap();
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name.as_str()),
        ("codepipeline.ThirdPartyJob", &*"ü".repeat(64))
    );

    world.add("job-taken");
    world.acknowledge("job-taken").await.ok();
    let taken = world.acknowledge("job-taken").await.details();
    let violation = &taken.precondition_failure().unwrap().violations[0];
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("NONCE", "job-taken"));

    let text = "2 validation errors detected: Value at 'nonce' failed to satisfy constraint: Member must satisfy \
                regular expression pattern: [a-z]+; Value 'x' at 'clientToken' failed to satisfy constraint: no";
    let fault = ErrorFault { message: Some(text.into()), ..ErrorFault::new("ValidationException") };
    world.simulator.fault_job("job-odd", Fault::Error(fault));
    let odd = world.acknowledge("job-odd").await.details();
    let fields: Vec<&str> =
        odd.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["nonce", "client_token"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_caller_is_told_how_long_aws_asks_to_wait() {
    let world = World::start().await;
    let hinted = ErrorFault { retry_after_ms: Some(25_000), ..ErrorFault::new("ThrottlingException") };
    world.simulator.fault_job("job-hinted", Fault::Error(hinted));
    let answer = world.acknowledge("job-hinted").await;
    told(ResourceExhausted, "AWS_THROTTLED", "rejected")
        .retry()
        .check(&answer, "a wait that doesn't fit the deadline");
    assert_eq!(answer.details().retry_info().unwrap().retry_delay, Some(Duration::from_secs(25)));

    (0..3).for_each(|_| world.simulator.fault_job("job-plain", Fault::error("SlowDown")));
    let delay = world.acknowledge("job-plain").await.details().retry_info().unwrap().retry_delay.unwrap();
    assert!((0.8..=1.2).contains(&delay.as_secs_f64()), "{delay:?}");
    world.stop().await;
}

/// Rows whose causes are not an answer of AWS's are provoked in `outcomes`, `requests`, `credentials`, `limits`, `auth`,
/// `shutdown`, and the caller that hangs up in `admin`.
#[test]
fn the_programs_table_has_the_contracts_reasons_and_no_other() {
    #[rustfmt::skip]
    let contract: BTreeSet<&str> = [
        "INVALID_REQUEST", "UNKNOWN_METHOD", "VALIDATION_FAILED", "JOB_NOT_FOUND", "INVALID_NONCE",
        "INVALID_CLIENT_TOKEN", "AWS_THROTTLED", "AWS_UNAVAILABLE", "AWS_REQUEST_TIMEOUT", "GATEWAY_ACCESS_DENIED",
        "GATEWAY_CREDENTIALS_EXPIRED", "GATEWAY_CLOCK_SKEW", "GATEWAY_CREDENTIALS_REJECTED",
        "GATEWAY_CREDENTIALS_UNAVAILABLE", "GATEWAY_KEYS_UNAVAILABLE", "AWS_UNREACHABLE", "AWS_CONNECTION_LOST", "AWS_TIMEOUT", "DEADLINE_EXCEEDED",
        "AWS_BAD_RESPONSE", "GATEWAY_BUG", "AWS_UNRECOGNIZED_ERROR", "GATEWAY_OVERLOADED", "GATEWAY_SHUTTING_DOWN",
        "CALLER_CANCELLED", "CALLER_UNAUTHENTICATED", "CALLER_NOT_ALLOWED", "UNKNOWN_SERVICE",
    ].into();
    let table: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(table, contract);
    assert_eq!(Reason::ALL.len(), contract.len(), "no name twice");
}
