//! h2spec against the gateway: its cases of HTTP/2 (RFC 9113, 7540) and HPACK (RFC 7541).

use std::env;
use std::process::Command;

use crate::process::{PATIENCE, serve, simulator_with};

/// The case that doesn't apply: what isn't HTTP/2's preface is read as HTTP/1, and answered 400 before the connection is
/// closed. h2spec expects it closed without a word.
const NOT_OURS: &[&str] = &["Sends invalid connection preface"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a run: just hostile"]
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
    let told = String::from_utf8_lossy(&output.stdout);
    let summary = told.lines().rev().find(|line| line.contains("tests,")).expect("a summary");
    println!("h2spec: {summary}");
    // The cases that failed stand after this word, each with a cross.
    let failures = told.split_once("Failures:").map(|(_, failures)| failures).unwrap_or_default();
    let failed: Vec<_> = failures.lines().filter(|line| line.trim_start().starts_with('×')).collect();
    let ours: Vec<_> =
        failed.iter().filter(|line| !NOT_OURS.iter().any(|known| line.contains(known))).collect();
    assert!(ours.is_empty(), "{failures}");
    assert!(summary.starts_with("146 tests,"), "{summary}");
    assert_eq!(failed.len(), NOT_OURS.len(), "a case that is said not to apply passes: {failures}");
    drop(gateway);
}
