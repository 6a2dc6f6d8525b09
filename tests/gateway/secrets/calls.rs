//! Every end of a call, with planted secrets.

use std::net::SocketAddr;

use codepipeline_gateway::error::Reason;
use codepipeline_simulator::{AccessKey, Config, Fault, Job, Simulator};
use tonic::Code;

use super::evidence::Evidence;
use super::{
    CLIENT_TOKEN, COLLECTOR_KEY, KEY_ID, NONCE, SECRET_KEY, SECRETS, SESSION, aws, callers, operations,
    planted, with_planted_keys,
};
use crate::harness::collector::{Collector, Mode, attribute};
use crate::harness::process::{send, serve_command};
use crate::harness::{PATIENCE, Program, loopback, until_serving, wait_for_requests, within};

#[tokio::test(flavor = "multi_thread")]
async fn calls_leak_no_secret_into_text_logs_or_responses() {
    assert_no_leak("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_leak_no_secret_into_json_logs_or_responses() {
    assert_no_leak("json").await;
}

async fn assert_no_leak(log_format: &str) {
    let key = AccessKey::new(KEY_ID, SECRET_KEY).with_session_token(SESSION);
    let config = Config { keys: vec![key.clone()], ..Config::default() };
    let simulator = Simulator::start(loopback().await, config).unwrap();
    let collector = Collector::start().await;
    let serve = with_planted_keys(serve_command(&SERVE)).with("GATEWAY_LOG_FORMAT", log_format).with_all(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("x-key={COLLECTOR_KEY},authorization=Bearer {COLLECTOR_KEY}"),
        ),
    ]);
    let mut program = serve.for_simulator(&simulator).start();
    let address = program.address().await;
    until_serving(address).await;

    let mut evidence = Evidence::default();
    aws::every_response(&simulator, address, &mut evidence).await;
    aws::every_rejected_signature(&simulator, &key, address, &mut evidence).await;
    aws::every_broken_connection(&simulator, address, &mut evidence).await;
    operations::every_operation(&simulator, address, &mut evidence).await;
    callers::every_bad_request(address, &mut evidence).await;
    let all = SECRETS.map(|(_, secret)| secret).join(" ");
    collector.set_mode(Mode::Reject(Code::Unauthenticated, all));
    every_other_end(&simulator, address, &mut program, &mut evidence).await;

    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // No other line has a duration.
    let calls: Vec<&str> = ended.err.lines().filter(|line| line.contains("duration_ms")).collect();
    assert!(calls.len() > 60 && ended.err.contains("DEBUG"), "{} log lines of calls", calls.len());
    let spans = collector.spans();
    for reason in Reason::ALL.iter().filter(|reason| !ELSEWHERE.contains(reason)).map(|reason| reason.name())
    {
        assert!(calls.iter().any(|line| line.contains(reason)), "no call ended with {reason}");
        let named = |span| attribute(span, "codepipeline_gateway.reason").as_deref() == Some(reason);
        assert!(spans.iter().any(named), "no span has {reason}");
    }
    assert!(ended.err.contains("can't presign"), "the log doesn't contain a failure to presign");
    assert!(ended.err.contains("can't export traces"), "the log doesn't contain the collector's rejection");
    for export in collector.exports() {
        // Protobuf's line feeds separate fields, so the export becomes one line.
        evidence.add("an export of spans", String::from_utf8_lossy(&export.raw).replace('\n', " "));
    }
    evidence.add("the log", ended.err);
    evidence.add("standard output", ended.out);
    evidence.assert_no_secret();
}

const SERVE: [&str; 10] = [
    "--action-types=Test/ThirdParty/FakeProvider/*",
    "--artifact-credentials=include",
    "--log-level=trace",
    "--max-in-flight=1",
    "--aws-max-attempts=2",
    "--aws-connect-timeout=1s",
    "--aws-attempt-timeout=6s",
    "--default-deadline=4s",
    "--shutdown-delay=0s",
    "--drain-timeout=200ms",
];

/// The reasons that other gateways have: those with authentication, without keys, or with fewer
/// operations. `tokens` provokes the first three. Only a health check has the last one.
const ELSEWHERE: [Reason; 6] = [
    Reason::CallerUnauthenticated,
    Reason::CallerNotAllowed,
    Reason::GatewayKeysUnavailable,
    Reason::OperationDisabled,
    Reason::GatewayCredentialsUnavailable,
    Reason::UnknownService,
];

async fn every_other_end(
    simulator: &Simulator,
    address: SocketAddr,
    program: &mut Program,
    evidence: &mut Evidence,
) {
    let hang = |id: &str| {
        simulator.add_job(Job::new(id, NONCE, CLIENT_TOKEN).with_fault(9, Fault::Hang { process: false }));
    };
    hang("slow");
    evidence.answer("an attempt timeout", &send(address, planted("slow")).await);
    let mut hurried = planted("slow");
    // The default deadline, because a deadline of the client would race with the gateway.
    hurried.metadata_mut().remove("grpc-timeout");
    evidence.answer("a deadline", &send(address, hurried).await);

    hang("left");
    let before = simulator.requests().len();
    let caller = tokio::spawn(send(address, planted("left")));
    wait_for_requests(simulator, before + 1).await;
    evidence.answer("a call over the limit", &send(address, planted("job")).await);
    caller.abort();
    program.err.until(|line| line.contains("CALLER_CANCELLED")).await;

    hang("last");
    let before = simulator.requests().len();
    let caller = tokio::spawn(send(address, planted("last")));
    wait_for_requests(simulator, before + 1).await;
    program.signal("TERM");
    evidence.answer(
        "a call canceled by a shutdown",
        &within("a call in the shutdown", PATIENCE, caller).await.unwrap(),
    );
}
