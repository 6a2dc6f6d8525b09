//! h2spec against the gateway: HTTP/2 (RFC 9113, 7540) and HPACK (RFC 7541).

use std::env;
use std::process::Command;

use crate::harness::{PATIENCE, serve, simulator_with};

/// The case that doesn't apply: the gateway reads an invalid preface as HTTP/1 and responds with
/// 400. h2spec expects a closed connection without a response.
const NOT_APPLICABLE: &[&str] = &["Sends invalid connection preface"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a stress test: just hostile"]
async fn h2spec() {
    let program = env::var_os("H2SPEC").expect("the path of h2spec in H2SPEC: `just hostile` sets it");
    let simulator = simulator_with(&[]).await;
    let (gateway, address) = serve(&simulator, &["--shutdown-delay=0s"]).await;
    let run = tokio::task::spawn_blocking(move || {
        let timeout = PATIENCE.as_secs().to_string();
        let mut command = Command::new(program);
        command.args(["--strict", "--host", "127.0.0.1", "--timeout", &timeout]);
        command.arg("--port").arg(address.port().to_string()).output().unwrap()
    });
    let output = run.await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let summary = report.lines().rev().find(|line| line.contains("tests,")).expect("a summary");
    println!("h2spec: {summary}");
    // The failed cases follow this heading, each with a cross.
    let failures = report.split_once("Failures:").map(|(_, failures)| failures).unwrap_or_default();
    let failed: Vec<_> = failures.lines().filter(|line| line.trim_start().starts_with('×')).collect();
    let applicable: Vec<_> =
        failed.iter().filter(|line| !NOT_APPLICABLE.iter().any(|known| line.contains(known))).collect();
    assert!(applicable.is_empty(), "{failures}");
    assert!(summary.starts_with("146 tests,"), "{summary}");
    assert_eq!(failed.len(), NOT_APPLICABLE.len(), "an inapplicable case passes: {failures}");
    drop(gateway);
}
