//! Traces by flag and by OpenTelemetry's standard variables, and what of it is logged and printed.

use std::fs;

use codepipeline_simulator::Simulator;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value as Json;
use tonic::{Code, Request};

use crate::certificates::Authority;
use crate::collector::{Collector, Mood, hex};
use crate::harness::request;
use crate::process::{Invocation, Program, Scratch, command, send, simulator_with, until_serving};

const FLAG: &str = "--otlp-endpoint";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const FOR_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const KEY: &str = "plainly-fake-key-7d20f";
const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERT: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn serve_to(simulator: &Simulator, args: &[&str]) -> Invocation {
    let serve = ["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--shutdown-delay=0s"];
    let serve = command(&[&serve, args].concat()).with("GATEWAY_LOG_FORMAT", "json");
    serve.with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url())
}

/// Makes calls with this `traceparent`, ends the gateway, and returns the log lines of the calls and all of its log.
async fn calls(mut program: Program, count: usize, traceparent: Option<&str>) -> (Vec<Json>, String) {
    let address = program.address().await;
    until_serving(address).await;
    for number in 0..count {
        let mut call = Request::new(request(&format!("job-{number}")));
        if let Some(parent) = traceparent {
            call.metadata_mut().insert("traceparent", parent.parse().unwrap());
        }
        send(address, call).await;
    }
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines = ended.err.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    (lines.filter(|line| line["message"] == "call").collect(), ended.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_endpoint_gives_64_and_one_line_that_names_flag_and_variable_and_shows_no_password() {
    for bad in [
        "ftp://collector:4317",
        "unix:///var/run/collector",
        "http://",
        "http://collector:port",
        "http://collector:99999",
        "http://coll ector:4317",
        "http://collector:4318/v1/traces",
        "http://collector:4317?x",
        "https://me:plainly-fake-key-7d20f@collector:4317",
        "me:plainly-fake-key-7d20f@collector:port",
    ] {
        for subcommand in ["serve", "check"] {
            let by_flag = command(&[subcommand, &format!("{FLAG}={bad}")]).with_keys().run().await;
            let by_variable = command(&[subcommand]).with_keys().with(ENDPOINT, bad).run().await;
            let for_traces = command(&[subcommand]).with_keys().with(FOR_TRACES, bad).run().await;
            by_flag.failed(64, &[FLAG, ENDPOINT]);
            by_variable.failed(64, &[FLAG, ENDPOINT]);
            for_traces.failed(64, &[FOR_TRACES]);
            for ended in [by_flag, by_variable, for_traces] {
                assert!(!ended.err.contains(KEY) && !ended.out.contains(KEY), "{ended:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_gives_64_and_its_variable_but_only_where_there_are_traces() {
    for variable in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        for protocol in ["http/protobuf", "http/json", "grcp"] {
            let check = || command(&["check"]).with_keys().with(variable, protocol);
            check().with(ENDPOINT, "http://collector:4317").run().await.failed(64, &[variable, "grpc"]);
            assert_eq!(check().run().await.code, Some(0), "no endpoint");
            let disabled = check().with(ENDPOINT, "http://collector:4317").with("OTEL_SDK_DISABLED", "true");
            assert_eq!(disabled.run().await.code, Some(0));
        }
        let grpc =
            command(&["check"]).with_keys().with(variable, "grpc").with(ENDPOINT, "http://collector:4317");
        assert_eq!(grpc.run().await.code, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_files_that_can_not_be_used_give_64_and_their_variable() {
    let files = Scratch::new();
    let no_pem = files.file("no.pem", "nothing").to_str().unwrap().to_owned();
    let (cert, key) = Authority::new().issue("collector.test");
    let (cert, key) = (files.file("tls.crt", &cert), files.file("tls.key", &key));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let rows: [(&[(&str, &str)], &str); 6] = [
        (&[(CA, "missing.pem")], CA),
        (&[(CA, &no_pem)], CA),
        (&[(CA, cert), (CERT, cert)], CERT),
        (&[(CA, cert), (CLIENT_KEY, key)], CLIENT_KEY),
        (&[(CA, cert), (CERT, "missing.pem"), (CLIENT_KEY, key)], CERT),
        (&[(CA, cert), (CERT, cert), (CLIENT_KEY, &no_pem)], ENDPOINT),
    ];
    for (variables, named) in rows {
        let check = || command(&["check"]).with_keys().with_all(variables);
        check().with(ENDPOINT, "https://collector:4317").run().await.failed(64, &[named]);
        assert_eq!(
            check().with(ENDPOINT, "http://collector:4317").run().await.code,
            Some(0),
            "no TLS, no files"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_where_traces_go_and_what_is_ignored_and_never_a_header() {
    let rows: [(&[(&str, &str)], &str); 9] = [
        (&[], "off"),
        (&[(ENDPOINT, "")], "off"),
        (&[(ENDPOINT, "http://collector:4317")], "to http://collector:4317, sampler ParentBased(AlwaysOn)"),
        (&[(ENDPOINT, "http://a:1"), (FOR_TRACES, "http://b:2")], "to http://b:2, sampler"),
        (
            &[(ENDPOINT, "collector:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")],
            "to http://collector:4317,",
        ),
        (
            &[(ENDPOINT, "http://[::1]:4317/"), ("OTEL_TRACES_SAMPLER", "always_off")],
            "to http://[::1]:4317, sampler AlwaysOff",
        ),
        (
            &[
                (ENDPOINT, "http://a:1"),
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ],
            "to http://a:1, sampler ParentBased(TraceIdRatioBased(0.25))",
        ),
        (&[(ENDPOINT, "http://a:1"), ("OTEL_SDK_DISABLED", "TRUE")], "off (OTEL_SDK_DISABLED)"),
        (&[(ENDPOINT, "http://a:1"), ("OTEL_TRACES_EXPORTER", "none")], "off (OTEL_TRACES_EXPORTER)"),
    ];
    for (variables, shown) in rows {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", &*format!("x-key={KEY}"));
        let ended = command(&["check"]).with_keys().with_all(variables).with_all(&[headers]).run().await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        let line = ended.out.lines().find_map(|line| line.strip_prefix("traces:")).unwrap().trim();
        assert!(
            line == shown || (shown.ends_with([',', 'r']) && line.starts_with(shown)),
            "{line} {variables:?}"
        );
        let warned = ended.out.lines().any(|line| line.starts_with("warning:") && line.contains("OTEL"));
        assert!(!ended.out.contains(KEY) && !warned, "{}", ended.out);
    }
    let by_flag = command(&["check", FLAG, "http://flag:1"]).with_keys().with(FOR_TRACES, "http://b:2");
    assert!(by_flag.run().await.out.contains("to http://flag:1,"), "the flag comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_is_ignored_with_a_warning_that_does_not_show_it() {
    for variable in [
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    ] {
        let check =
            command(&["check"]).with_keys().with(ENDPOINT, "http://collector:4317").with(variable, KEY);
        let ended = check.run().await;
        assert_eq!(ended.code, Some(0), "{variable}: {ended:?}");
        let warned = ended.out.lines().any(|line| line.starts_with("warning:") && line.contains(variable));
        assert!(warned && !ended.out.contains(KEY), "{variable}: {}", ended.out);
    }
    let simulator = simulator_with(&[]).await;
    let serve =
        serve_to(&simulator, &[]).with(ENDPOINT, "http://127.0.0.1:1").with("OTEL_TRACES_SAMPLER", KEY);
    let (_, log) = calls(serve.start(), 0, None).await;
    assert!(log.contains("OTEL_TRACES_SAMPLER is ignored") && !log.contains(KEY), "{log}");
}

fn resource(span_of: &Collector, key: &str) -> Option<String> {
    let request = &span_of.exports()[0].request;
    let attributes = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    let Value::StringValue(text) = value else { panic!("{key}: {value:?}") };
    Some(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_variables_do_what_the_standard_says() {
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
    assert_eq!(collector.exports().len(), 1, "nothing was sent before the end");
    let export = &collector.exports()[0];
    let header = |name| export.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((header("x-key"), header("authorization")), (Some("plainly fake"), Some("Bearer none")));
    assert_eq!(header("grpc-encoding"), Some("gzip"));
    assert!(!String::from_utf8_lossy(&export.raw).contains("job-0"), "it is compressed");
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("named"));
    assert_eq!(resource(&collector, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(resource(&collector, "deployment.environment.name").as_deref(), Some("a b"));
    assert_eq!(resource(&collector, "k").as_deref(), Some("ü"));
    assert_eq!(resource(&collector, "telemetry.sdk.language").as_deref(), Some("rust"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_of_its_own_the_service_has_the_programs() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    calls(serve_to(&simulator, &[]).with(ENDPOINT, collector.url()).start(), 1, None).await;
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("codepipeline-gateway"));
    let (collector, attributes) = (Collector::start().await, "service.name=by%20attribute");
    let serve = serve_to(&simulator, &[]).with(FOR_TRACES, collector.url());
    calls(serve.with("OTEL_RESOURCE_ATTRIBUTES", attributes).start(), 1, None).await;
    assert_eq!(resource(&collector, "service.name").as_deref(), Some("by attribute"));
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_by_the_standard_variables_nothing_is_sent() {
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
async fn the_log_line_of_a_call_names_its_trace() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    let off = || serve_to(&simulator, &[]).start();
    let on = || serve_to(&simulator, &[FLAG, &collector.url()]).start();
    let trace = |line: &Json| line.get("trace_id").map(|id| id.as_str().unwrap().to_owned());
    assert_eq!(trace(&calls(off(), 1, None).await.0[0]), None, "there is none");
    assert_eq!(
        trace(&calls(off(), 1, Some(PARENT)).await.0[0]).as_deref(),
        PARENT.get(3..35),
        "the caller's"
    );
    assert_eq!(trace(&calls(off(), 1, Some("00-malformed")).await.0[0]), None);
    assert_eq!(trace(&calls(on(), 1, Some(PARENT)).await.0[0]).as_deref(), PARENT.get(3..35));
    let before = collector.spans().len();
    let own = calls(on(), 1, None).await.0;
    let spans: Vec<Span> = collector.spans().split_off(before);
    assert_eq!(trace(&own[0]), Some(hex(&spans[0].trace_id)), "the gateway's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_collector_must_be_the_one_of_the_certificate() {
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
async fn a_collector_that_refuses_is_told_once_and_in_no_words_of_its_own() {
    let (collector, simulator) = (Collector::start().await, simulator_with(&[]).await);
    collector.be(Mood::Refuses(Code::Unauthenticated, format!("no such key: {KEY}")));
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
    collector.be(Mood::Takes);
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
