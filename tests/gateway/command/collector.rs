//! `serve` with a collector: exports, the log, and TLS.

use std::fs;

use codepipeline_simulator::Simulator;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value as Json;
use tonic::Code;

use super::otlp::{ENDPOINT, FLAG, FOR_TRACES, KEY};
use crate::harness::certificates::Authority;
use crate::harness::collector::{Collector, Mode, hex};
use crate::harness::process::{Invocation, send, serve_command};
use crate::harness::{Program, Scratch, request, request_with, simulator_with, until_serving};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// `serve` in front of this simulator.
fn serve_to(simulator: &Simulator, args: &[&str]) -> Invocation {
    let serve = serve_command(&[&["--shutdown-delay=0s"], args].concat()).with("GATEWAY_LOG_FORMAT", "json");
    serve.with_keys().for_simulator(simulator)
}

/// Makes calls with this `traceparent`, ends the gateway, and returns the log lines of the calls
/// and the whole log.
async fn calls(mut program: Program, count: usize, traceparent: Option<&str>) -> (Vec<Json>, String) {
    let address = program.address().await;
    until_serving(address).await;
    for number in 0..count {
        let metadata: Vec<_> = traceparent.iter().map(|parent| ("traceparent", *parent)).collect();
        send(address, request_with(&format!("job-{number}"), &metadata)).await;
    }
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines = ended.err.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    (lines.filter(|line| line["message"] == "call").collect(), ended.err)
}

/// The resource attribute of the first export.
fn resource(collector: &Collector, key: &str) -> Option<String> {
    let request = &collector.exports()[0].request;
    let attributes = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    let Value::StringValue(text) = value else { panic!("{key}: {value:?}") };
    Some(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_logs_a_warning_for_an_invalid_value_without_it() {
    let simulator = simulator_with(&[]).await;
    let serve =
        serve_to(&simulator, &[]).with(ENDPOINT, "http://127.0.0.1:1").with("OTEL_TRACES_SAMPLER", KEY);
    let (_, log) = calls(serve.start(), 0, None).await;
    assert!(log.contains("OTEL_TRACES_SAMPLER is ignored") && !log.contains(KEY), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_variables_configure_the_export() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&["job-0"]).await);
    let serve = serve_to(&simulator, &[FLAG, &collector.url()]).with_all(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=not%20this%20one"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=plainly%20fake,authorization=Bearer none"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=overridden, deployment.environment.name=a%20b,k=%C3%BC"),
        ("OTEL_SERVICE_NAME", "named"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ]);
    let (lines, log) = calls(serve.start(), 1, None).await;
    assert_eq!(lines.len(), 1);
    assert!(!log.contains("can't export"), "{log}");
    let spans = collector.spans();
    assert_eq!(spans.len(), 2);
    assert_eq!(collector.exports().len(), 1, "one export, at the end");
    let export = &collector.exports()[0];
    let header = |name| export.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((header("x-key"), header("authorization")), (Some("plainly fake"), Some("Bearer none")));
    assert_eq!(header("grpc-encoding"), Some("gzip"));
    assert!(!String::from_utf8_lossy(&export.raw).contains("job-0"), "the export is compressed");
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("named"));
    assert_eq!(resource(&collector, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(resource(&collector, "deployment.environment.name").as_deref(), Some("a b"));
    assert_eq!(resource(&collector, "k").as_deref(), Some("ü"));
    assert_eq!(resource(&collector, "telemetry.sdk.language").as_deref(), Some("rust"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_service_name_is_the_programs() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    calls(serve_to(&simulator, &[]).with(ENDPOINT, collector.url()).start(), 1, None).await;
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("codepipeline-gateway"));
    let (collector, attributes) = (Collector::start().await, "service.name=by%20attribute");
    let serve = serve_to(&simulator, &[]).with(FOR_TRACES, collector.url());
    calls(serve.with("OTEL_RESOURCE_ATTRIBUTES", attributes).start(), 1, None).await;
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("by attribute"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_variables_disable_the_export() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    for (variable, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ] {
        let serve = serve_to(&simulator, &[FLAG, &collector.url()]).with(variable, value);
        calls(serve.start(), 2, Some(PARENT)).await;
        assert_eq!(collector.exports().len(), 0, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_line_of_a_call_contains_its_trace_id() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    let off = || serve_to(&simulator, &[]).start();
    let on = || serve_to(&simulator, &[FLAG, &collector.url()]).start();
    let trace = |line: &Json| line.get("trace_id").map(|id| id.as_str().unwrap().to_owned());
    assert_eq!(trace(&calls(off(), 1, None).await.0[0]), None, "no trace");
    assert_eq!(
        trace(&calls(off(), 1, Some(PARENT)).await.0[0]).as_deref(),
        PARENT.get(3..35),
        "the trace of the caller"
    );
    assert_eq!(trace(&calls(off(), 1, Some("00-malformed")).await.0[0]), None);
    assert_eq!(trace(&calls(on(), 1, Some(PARENT)).await.0[0]).as_deref(), PARENT.get(3..35));
    let before = collector.spans().len();
    let own = calls(on(), 1, None).await.0;
    let spans: Vec<Span> = collector.spans().split_off(before);
    assert_eq!(trace(&own[0]), Some(hex(&spans[0].trace_id)), "the trace of the gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_an_untrusted_certificate_is_rejected() {
    let (ca, files, simulator) = (Authority::new(), Scratch::new(), simulator_with(&[]).await);
    let collector = Collector::with_tls(&ca.issue("localhost")).await;
    let url = format!("https://localhost:{}", collector.address.port());
    let serve = |ca: &Authority| {
        let ca = files.file("ca.crt", &ca.pem());
        serve_to(&simulator, &[FLAG, &url]).with("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
    };
    let (_, log) = calls(serve(&Authority::new()).start(), 1, None).await;
    assert_eq!(collector.spans().len(), 0);
    assert!(log.contains("can't export traces") && log.contains("certificate"), "{log}");
    let (_, log) = calls(serve(&ca).start(), 1, None).await;
    assert_eq!(collector.spans().len(), 2, "{log}");
    fs::remove_file(files.path().join("ca.crt")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejecting_collector_is_logged_once_without_its_message() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    collector.set_mode(Mode::Reject(Code::Unauthenticated, format!("no such key: {KEY}")));
    let serve = serve_to(&simulator, &[FLAG, &collector.url(), "--log-level=trace"]).with_all(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={KEY}")),
    ]);
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    for exports in 1..=3 {
        send(address, request("job-0")).await;
        collector.wait_for_exports(exports).await;
    }
    program.err.until(|line| line.contains("can't export traces")).await;
    collector.set_mode(Mode::Accept);
    let before = collector.exports().len();
    send(address, request("job-0")).await;
    collector.wait_for_exports(before + 1).await;
    program.err.until(|line| line.contains("traces can be exported again")).await;
    program.signal("TERM");
    let log = program.end().await.err;
    assert_eq!(log.matches("can't export traces").count(), 1, "{log}");
    assert!(log.contains("Unauthenticated") && !log.contains(KEY), "{log}");
    assert!(!log.contains("\"target\":\"opentelemetry"), "{log}");
}
