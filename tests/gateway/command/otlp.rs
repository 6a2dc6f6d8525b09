//! The configuration of traces: the flag, and OpenTelemetry's standard variables.

use crate::harness::certificates::Authority;
use crate::harness::process::Invocation;
use crate::harness::{Scratch, command};

pub(super) const FLAG: &str = "--otlp-endpoint";
pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
pub(super) const FOR_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
pub(super) const KEY: &str = "plainly-fake-key-7d20f";
const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERT: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";
const COLLECTOR: &str = "http://collector:4317";

/// `check` with keys and these variables.
fn check(variables: &[(&str, &str)]) -> Invocation {
    command(&["check"]).with_keys().with_all(variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_collector_endpoint_exits_with_64_and_hides_its_password() {
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
async fn another_protocol_exits_with_64_if_traces_are_on() {
    for variable in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        for protocol in ["http/protobuf", "http/json", "grcp"] {
            let check = || check(&[(variable, protocol)]);
            check().with(ENDPOINT, COLLECTOR).run().await.failed(64, &[variable, "grpc"]);
            assert_eq!(check().run().await.code, Some(0), "no endpoint");
            let disabled = check().with(ENDPOINT, COLLECTOR).with("OTEL_SDK_DISABLED", "true");
            assert_eq!(disabled.run().await.code, Some(0));
        }
        let grpc = check(&[(variable, "grpc"), (ENDPOINT, COLLECTOR)]);
        assert_eq!(grpc.run().await.code, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_tls_files_exit_with_64_and_their_variable() {
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
        let check = |endpoint| check(variables).with(ENDPOINT, endpoint);
        check("https://collector:4317").run().await.failed(64, &[named]);
        assert_eq!(check(COLLECTOR).run().await.code, Some(0), "without TLS the files aren't used");
    }
}

/// Variables, and the line about traces that `check` prints.
const SHOWN: [(&[(&str, &str)], &str); 12] = [
    (&[], "off"),
    (&[(ENDPOINT, "")], "off"),
    (&[(ENDPOINT, " ")], "off"),
    (&[(ENDPOINT, COLLECTOR)], "to http://collector:4317, sampler ParentBased(AlwaysOn)"),
    (&[(ENDPOINT, " http://collector:4317 ")], "to http://collector:4317, sampler"),
    (&[(ENDPOINT, "http://a:1"), (FOR_TRACES, "http://b:2")], "to http://b:2, sampler"),
    (&[(ENDPOINT, "http://a:1 "), (FOR_TRACES, "http://b:2")], "to http://b:2, sampler"),
    (&[(ENDPOINT, "collector:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")], "to http://collector:4317,"),
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

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_collector_and_never_a_header() {
    for (variables, shown) in SHOWN {
        let headers = format!("x-key={KEY}");
        let ended = check(variables).with("OTEL_EXPORTER_OTLP_HEADERS", headers).run().await;
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
    assert!(by_flag.run().await.out.contains("to http://flag:1,"), "the flag takes precedence");
}

/// Variables that the gateway ignores if their value is invalid.
const IGNORED: [&str; 14] = [
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_value_is_ignored_with_a_warning_without_it() {
    for variable in IGNORED {
        let ended = check(&[(ENDPOINT, COLLECTOR), (variable, KEY)]).run().await;
        assert_eq!(ended.code, Some(0), "{variable}: {ended:?}");
        let warned = ended.out.lines().any(|line| line.starts_with("warning:") && line.contains(variable));
        assert!(warned && !ended.out.contains(KEY), "{variable}: {}", ended.out);
    }
}
