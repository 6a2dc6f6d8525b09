//! Traces: what a collector gets to see of calls and attempts, and that no collector can hurt them.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use codepipeline_gateway::auth::{AllowList, Auth};
use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::server::{Settings, Tls};
use codepipeline_gateway::telemetry::Traces;
use codepipeline_simulator::{ErrorFault, Fault, Job};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::Sampler;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;
use tower::ServiceExt;

use crate::certificates::{Authority, connect, files, write_pair};
use crate::collector::{Collector, Mood, attribute, hex, to, traces};
use crate::harness::{
    Gateway, NONCE, REGION, TOKEN, World, fake_keys, loopback, request, request_within, settings,
};
use crate::process::PATIENCE;

const METHOD: &str = "codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Long enough that a test which waits for it fails visibly.
const LONG: Duration = Duration::from_secs(3600);

fn traced(traces: Traces) -> Settings {
    Settings { traces, ..settings() }
}

async fn world(traces: Traces) -> World {
    World::with(traced(traces), Some(fake_keys())).await
}

fn request_in_trace(id: &str, traceparent: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    let mut request = Request::new(request(id));
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

/// The spans of calls, in the order in which those ended.
fn calls(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == SpanKind::Server).collect()
}

/// The spans of a call's attempts.
fn attempts<'a>(spans: &'a [Span], call: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent_span_id == call.span_id).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

/// All of it is there, and nothing else.
fn has(span: &Span, wanted: &[(&str, &str)]) {
    let keys: BTreeSet<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, wanted.iter().map(|(key, _)| *key).collect(), "{}", span.name);
    for (key, value) in wanted {
        if *value != "*" {
            assert_eq!(attribute(span, key).as_deref(), Some(*value), "{key} of {}", span.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_continues_its_callers_trace_and_its_attempt_is_under_it() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.add("job-1");
    let mut request = request_in_trace("job-1", &format!("00-{TRACE}-{CALLER}-01"));
    request.metadata_mut().insert("tracestate", "vendor=one,other=two".parse().unwrap());
    request.metadata_mut().insert("x-request-id", "call-1".parse().unwrap());
    world.gateway.send(request).await.ok();
    let aws_request_id = world.simulator.requests()[0].request_id.clone();
    let endpoint = world.simulator.endpoint_url();
    let port = endpoint.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    world.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let call = calls(&spans)[0];
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!((call.name.as_str(), call.kind()), (METHOD, SpanKind::Server));
    assert_eq!(call.trace_state, "vendor=one,other=two");
    assert!(
        call.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset),
        "{:?}",
        call.status
    );
    has(
        call,
        &[
            ("rpc.system.name", "grpc"),
            ("rpc.method", METHOD),
            ("rpc.status_code", "OK"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", "*"),
            ("aws.request_id", &aws_request_id),
            ("codepipeline_gateway.job_id", "job-1"),
            ("codepipeline_gateway.request_id", "call-1"),
            ("codepipeline_gateway.attempts", "1"),
        ],
    );
    let attempt = attempts(&spans, call)[0];
    assert_eq!(hex(&attempt.trace_id), TRACE);
    assert_eq!(
        (attempt.name.as_str(), attempt.kind()),
        ("CodePipeline.AcknowledgeThirdPartyJob", SpanKind::Client)
    );
    assert!(!is_error(attempt));
    has(
        attempt,
        &[
            ("rpc.system", "aws-api"),
            ("rpc.service", "CodePipeline"),
            ("rpc.method", "AcknowledgeThirdPartyJob"),
            ("cloud.region", REGION),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("http.response.status_code", "200"),
            ("aws.request_id", &aws_request_id),
            ("codepipeline_gateway.attempt", "1"),
        ],
    );
    let during = call.start_time_unix_nano..=call.end_time_unix_nano;
    assert!(during.contains(&attempt.start_time_unix_nano) && during.contains(&attempt.end_time_unix_nano));
    let scope = collector.exports()[0].request.resource_spans[0].scope_spans[0].clone();
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.45.0");
    assert_eq!(scope.scope.unwrap().name, "codepipeline-gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_caller_each_call_is_the_root_of_a_trace_of_its_own() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    let malformed =
        [format!("00-{TRACE}-{CALLER}-01-"), format!("00-{TRACE}-0000000000000000-01"), "nonsense".into()];
    world.acknowledge("job-1").await;
    for traceparent in &malformed {
        world.gateway.send(request_in_trace("job-1", traceparent)).await;
    }
    world.stop().await;
    let spans = collector.spans();
    let calls = calls(&spans);
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.parent_span_id.is_empty() && hex(&call.trace_id) != TRACE));
    assert_eq!(calls.iter().map(|call| &call.trace_id).collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_or_the_sampler_leaves_out_is_not_exported() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.gateway.send(request_in_trace("unsampled", &format!("00-{TRACE}-{CALLER}-00"))).await;
    world.gateway.send(request_in_trace("sampled", &format!("00-{TRACE}-{CALLER}-01"))).await;
    world.stop().await;
    let jobs = |spans: &[Span]| -> Vec<_> {
        calls(spans).iter().map(|call| attribute(call, "codepipeline_gateway.job_id").unwrap()).collect()
    };
    assert_eq!(jobs(&collector.spans()), ["sampled"]);
    assert_eq!(collector.spans().len(), 2, "nor has an attempt of the other a span");

    let mut never = to(&collector.url());
    never.sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    let world = self::world(Traces::start(&never).unwrap()).await;
    world.acknowledge("a root").await;
    world.gateway.send(request_in_trace("sampled too", &format!("00-{TRACE}-{CALLER}-01"))).await;
    world.stop().await;
    assert_eq!(jobs(&collector.spans()), ["sampled", "sampled too"]);
}

/// A call: what is wrong with it; its code; whether its span is an error; its reason and outcome; its attempts' errors.
type Row = (&'static str, &'static str, bool, &'static str, &'static str, &'static [&'static str]);

const ROWS: [Row; 14] = [
    ("JobNotFoundException", "NOT_FOUND", false, "JOB_NOT_FOUND", "rejected", &["JobNotFoundException"]),
    (
        "InvalidNonceException",
        "FAILED_PRECONDITION",
        false,
        "INVALID_NONCE",
        "rejected",
        &["InvalidNonceException"],
    ),
    (
        "InvalidClientTokenException",
        "PERMISSION_DENIED",
        false,
        "INVALID_CLIENT_TOKEN",
        "rejected",
        &["InvalidClientTokenException"],
    ),
    (
        "ValidationException",
        "INVALID_ARGUMENT",
        false,
        "VALIDATION_FAILED",
        "rejected",
        &["ValidationException"],
    ),
    (
        "ThrottlingException",
        "RESOURCE_EXHAUSTED",
        false,
        "AWS_THROTTLED",
        "rejected",
        &["ThrottlingException", "ThrottlingException", "ThrottlingException"],
    ),
    ("InternalFailure", "UNKNOWN", true, "AWS_UNAVAILABLE", "unknown", &["InternalFailure"]),
    (
        "RequestTimeoutException",
        "UNKNOWN",
        true,
        "AWS_REQUEST_TIMEOUT",
        "unknown",
        &["RequestTimeoutException"],
    ),
    (
        "AccessDeniedException",
        "INTERNAL",
        true,
        "GATEWAY_ACCESS_DENIED",
        "rejected",
        &["AccessDeniedException"],
    ),
    (
        "ExpiredTokenException",
        "UNAVAILABLE",
        true,
        "GATEWAY_CREDENTIALS_EXPIRED",
        "rejected",
        &["ExpiredTokenException"],
    ),
    ("MadeUpException", "UNKNOWN", true, "AWS_UNRECOGNIZED_ERROR", "rejected", &["_OTHER"]),
    ("cut", "UNKNOWN", true, "AWS_CONNECTION_LOST", "unknown", &["AWS_CONNECTION_LOST"]),
    ("malformed", "INTERNAL", true, "AWS_BAD_RESPONSE", "unknown", &["AWS_BAD_RESPONSE"]),
    ("hang", "DEADLINE_EXCEEDED", true, "DEADLINE_EXCEEDED", "unknown", &["abandoned"]),
    ("", "INVALID_ARGUMENT", false, "INVALID_REQUEST", "not_sent", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_end_of_a_call_has_its_code_its_reason_and_a_span_for_each_attempt() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    for (what, ..) in ROWS {
        let fault = match what {
            "cut" => Fault::CutBody { process: true, http_status: None, code: None },
            "malformed" => Fault::MalformedBody { process: true },
            "hang" => Fault::Hang { process: false },
            code => Fault::Error(ErrorFault::new(code)),
        };
        world.simulator.add_job(Job::new(what, NONCE, TOKEN).with_fault(3, fault));
        let call = if what == "hang" {
            request_within(what, Duration::from_millis(1500))
        } else {
            Request::new(request(what))
        };
        world.gateway.send(call).await;
    }
    world.stop().await;

    let spans = collector.spans();
    let calls = calls(&spans);
    assert_eq!(calls.len(), ROWS.len());
    for (call, (what, code, error, reason, outcome, failed)) in calls.into_iter().zip(ROWS) {
        let of_call = |key| attribute(call, key);
        assert_eq!(of_call("codepipeline_gateway.job_id").unwrap_or_default(), what);
        assert_eq!(of_call("rpc.status_code").as_deref(), Some(code), "{what}");
        assert_eq!(is_error(call), error, "{what}");
        assert_eq!(of_call("error.type").as_deref(), error.then_some(code), "{what}");
        assert_eq!(of_call("codepipeline_gateway.reason").as_deref(), Some(reason), "{what}");
        assert_eq!(of_call("codepipeline_gateway.outcome").as_deref(), Some(outcome), "{what}");
        assert_eq!(of_call("codepipeline_gateway.attempts").unwrap(), failed.len().to_string(), "{what}");
        let attempts = attempts(&spans, call);
        let errors: Vec<_> = attempts.iter().filter_map(|attempt| attribute(attempt, "error.type")).collect();
        assert_eq!(errors, failed, "{what}");
        for (number, attempt) in attempts.iter().enumerate() {
            assert!(is_error(attempt) && attempt.kind() == SpanKind::Client, "{what}");
            assert_eq!(
                attribute(attempt, "codepipeline_gateway.attempt"),
                Some((number + 1).to_string()),
                "{what}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_attempt_and_the_one_that_passed_have_a_span_each() {
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
async fn the_spans_of_a_caller_that_hangs_up_end_there() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.acknowledge("job-1") => panic!("it hangs"),
        () = world.simulator.wait_for_requests(1) => {}
    }
    let spans = collector.wait_for_spans(2).await;
    let call = calls(&spans)[0];
    assert_eq!(attribute(call, "rpc.status_code").as_deref(), Some("CANCELLED"));
    assert_eq!(attribute(call, "codepipeline_gateway.reason").as_deref(), Some("CALLER_CANCELLED"));
    assert_eq!(attribute(call, "codepipeline_gateway.outcome").as_deref(), Some("unknown"));
    assert!(!is_error(call), "it is no fault of the server's");
    let attempt = attempts(&spans, call)[0];
    assert_eq!((is_error(attempt), attribute(attempt, "error.type").as_deref()), (true, Some("abandoned")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_no_span_reflection_has_one_and_an_unknown_method_has_no_name_of_its_callers() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    let unknown = format!("no.such.Service/{}", "x".repeat(400));
    for path in ["grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &unknown] {
        let call = http::Request::post(format!("http://{}/{path}", world.gateway.address));
        let call = call.header("content-type", "application/grpc").body(tonic::body::Body::empty()).unwrap();
        world.gateway.channel.clone().oneshot(call).await.unwrap();
    }
    world.stop().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!(spans[0].name, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    assert_eq!(spans[1].name, "grpc");
    assert_eq!(attribute(&spans[1], "rpc.method").as_deref(), Some("_OTHER"));
    assert_eq!(attribute(&spans[1], "rpc.method_original").as_deref(), unknown.get(..128));
    assert_eq!(attribute(&spans[1], "rpc.status_code").as_deref(), Some("UNIMPLEMENTED"));
    assert!(is_error(&spans[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_id_is_cut_between_characters() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.acknowledge(&format!("a{}", "é".repeat(300))).await;
    world.stop().await;
    let id = attribute(calls(&collector.spans())[0], "codepipeline_gateway.job_id").unwrap();
    assert_eq!(id, format!("a{}", "é".repeat(63)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_named_whether_it_may_call_or_not() {
    let (collector, ca, folder) = (Collector::start().await, Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let mut settings = traced(traces(&collector));
    settings.tls = Some(Tls::load(files(folder.path(), true)).unwrap());
    settings.auth = Auth::Mtls(AllowList::new(vec!["dns:worker.test".parse().unwrap()]).unwrap());
    let world = World::with(settings, Some(fake_keys())).await;
    for name in ["worker.test", "other.test"] {
        let channel = connect(&world, &ca, Some(&ca.issue(name))).await.unwrap();
        let _ = ThirdPartyJobServiceClient::new(channel).acknowledge_third_party_job(request("job-1")).await;
    }
    world.stop().await;
    let spans = collector.spans();
    let told = calls(&spans).into_iter().map(|call| {
        let of_call = |key: &str| attribute(call, &format!("codepipeline_gateway.{key}"));
        (of_call("caller"), of_call("reason"), attempts(&spans, call).len())
    });
    let refused = (Some("dns:other.test".to_owned()), Some("CALLER_NOT_ALLOWED".to_owned()), 0);
    let allowed = (Some("dns:worker.test".to_owned()), Some("JOB_NOT_FOUND".to_owned()), 1);
    assert_eq!(told.collect::<Vec<_>>(), [allowed, refused]);
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_told_nothing_of_traces() {
    let aws = loopback().await;
    let collector = Collector::start().await;
    let url = format!("http://{}", aws.local_addr().unwrap());
    let gateway = Gateway::start(url, traced(traces(&collector)), Some(fake_keys())).await;
    let answer = async {
        let mut socket = aws.accept().await.unwrap().0;
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"status\":\"InProgress\"}";
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head).to_lowercase()
    };
    let call = gateway.send(request_in_trace("job-1", &format!("00-{TRACE}-{CALLER}-01")));
    let (answer, head) = tokio::join!(call, answer);
    answer.ok();
    assert!(head.contains("x-amz-target"), "{head}");
    for word in ["traceparent", "tracestate", "x-amzn-trace-id", "baggage", TRACE] {
        assert!(!head.contains(word), "{word}: {head}");
    }
    gateway.stop().await.unwrap();
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_calls_spans_arrive_before_the_end() {
    let collector = Collector::start().await;
    let mut late = to(&collector.url());
    late.batch_delay = LONG;
    // Held here, so that nothing is sent because it is dropped.
    let traces = Traces::start(&late).unwrap();
    let mut settings = traced(traces.clone());
    settings.drain_timeout = Duration::from_millis(200);
    let world = World::with(settings, Some(fake_keys())).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    let (_, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.simulator.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    world.gateway.ended().await.unwrap();
    let spans = collector.spans();
    let call = calls(&spans)[0];
    assert_eq!(attribute(call, "codepipeline_gateway.reason").as_deref(), Some("GATEWAY_SHUTTING_DOWN"));
    assert_eq!(attempts(&spans, call).len(), 1);
    drop(traces);
}

const EXPORTS: &str = "codepipeline_gateway_trace_exports_total";

async fn fates(world: &World) -> [f64; 3] {
    let count = |fate: &str| format!("{EXPORTS}{{result=\"{fate}\"}}");
    let (ok, error, dropped) = (count("ok"), count("error"), count("dropped"));
    let gateway = &world.gateway;
    [gateway.metric(&ok).await, gateway.metric(&error).await, gateway.metric(&dropped).await]
}

async fn until(world: &World, wanted: impl Fn([f64; 3]) -> bool) -> [f64; 3] {
    let seen = async {
        loop {
            let fates = fates(world).await;
            if wanted(fates) {
                return fates;
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the spans are counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_span_is_counted_by_what_became_of_it() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    assert_eq!(fates(&world).await, [0.0; 3], "there from the start");
    world.acknowledge("job-1").await;
    until(&world, |fates| fates == [2.0, 0.0, 0.0]).await;
    collector.be(Mood::Refuses(tonic::Code::PermissionDenied, "no".into()));
    world.acknowledge("job-2").await;
    until(&world, |fates| fates == [2.0, 2.0, 0.0]).await;
    collector.be(Mood::Takes);
    world.acknowledge("job-3").await;
    until(&world, |fates| fates == [4.0, 2.0, 0.0]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_nothing_is_counted() {
    let world = World::start().await;
    world.acknowledge("job-1").await;
    assert_eq!(fates(&world).await, [0.0; 3]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_spans_and_nothing_else() {
    // Nobody listens there: a port of the system's own.
    let world = world(Traces::start(&to("http://127.0.0.1:1")).unwrap()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    until(&world, |fates| fates == [0.0, 2.0, 0.0]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_comes_back_gets_the_spans_from_then_on() {
    let (collector, front) = (Collector::start().await, loopback().await);
    let (world, up) = (
        world(Traces::start(&to(&format!("http://{}", front.local_addr().unwrap()))).unwrap()).await,
        Arc::new(AtomicBool::new(false)),
    );
    let is_up = up.clone();
    let relay = tokio::spawn(async move {
        while let Ok((mut from, _)) = front.accept().await {
            if is_up.load(Ordering::SeqCst) {
                let mut to = TcpStream::connect(collector.address).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        }
    });
    world.acknowledge("job-1").await;
    until(&world, |fates| fates == [0.0, 2.0, 0.0]).await;
    up.store(true, Ordering::SeqCst);
    world.acknowledge("job-1").await;
    until(&world, |fates| fates == [2.0, 2.0, 0.0]).await;
    world.stop().await;
    relay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_no_call_and_the_end_no_longer_than_it_may() {
    let collector = Collector::start().await;
    collector.be(Mood::Hangs);
    let mut patient = to(&collector.url());
    (patient.export_time, patient.last_time) = (LONG, Duration::from_millis(300));
    let traces = Traces::start(&patient).unwrap();
    let world = world(traces.clone()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    collector.wait_for_exports(1).await;
    world.acknowledge("job-1").await;
    let told = Instant::now();
    tokio::time::timeout(PATIENCE, world.gateway.stop()).await.expect("it ends").unwrap();
    assert!(told.elapsed() >= Duration::from_millis(300), "the last spans have their time");
    assert_eq!(collector.exports().len(), 1, "what waited is not sent once the time is over");
    collector.wait_for_given_up(1).await;
    drop(traces);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_word_does_not_wait_for_the_collector() {
    let collector = Collector::start().await;
    collector.be(Mood::Hangs);
    let mut patient = to(&collector.url());
    (patient.export_time, patient.last_time) = (LONG, LONG);
    let world = world(Traces::start(&patient).unwrap()).await;
    world.acknowledge("job-1").await;
    collector.wait_for_exports(1).await;
    world.gateway.shutdown.stop();
    world.gateway.shutdown.stop();
    tokio::time::timeout(PATIENCE, world.gateway.ended()).await.expect("it ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_nobody_takes_are_bounded_and_counted() {
    let collector = Collector::start().await;
    collector.be(Mood::Hangs);
    let mut small = to(&collector.url());
    (small.export_time, small.batch_delay, small.max_waiting, small.max_batch) = (LONG, LONG, 4, 2);
    let world = world(Traces::start(&small).unwrap()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    collector.wait_for_exports(1).await;
    for _ in 0..9 {
        world.acknowledge("job-1").await;
    }
    // 2 are being sent, 4 wait, and so many had no place.
    assert_eq!(fates(&world).await, [0.0, 0.0, 14.0]);
    world.gateway.shutdown.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_vanished_without_a_word_is_connected_to_anew() {
    // The kernel accepts for it, and nobody ever reads.
    let gone = loopback().await;
    let mut hasty = to(&format!("http://{}", gone.local_addr().unwrap()));
    hasty.export_time = Duration::from_millis(400);
    let world = world(Traces::start(&hasty).unwrap()).await;
    world.acknowledge("job-1").await;
    let _first = tokio::time::timeout(PATIENCE, gone.accept()).await.expect("a connection").unwrap();
    until(&world, |[_, error, _]| error >= 2.0).await;
    let again = async {
        loop {
            world.acknowledge("job-1").await;
        }
    };
    tokio::select! {
        () = again => {}
        second = tokio::time::timeout(PATIENCE, gone.accept()) => drop(second.expect("another").unwrap()),
    }
    world.gateway.shutdown.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_request_but_what_is_listed_is_in_the_bytes_that_leave() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    world.acknowledge("job-1").await;
    world.stop().await;
    let sent: Vec<u8> = collector.exports().iter().flat_map(|export| export.raw.to_vec()).collect();
    let keys = fake_keys();
    assert!(sent.windows(5).any(|part| part == b"job-1"), "the search can find something");
    for secret in [NONCE, TOKEN, &keys.access_key_id, &keys.secret_access_key] {
        assert!(!sent.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}
