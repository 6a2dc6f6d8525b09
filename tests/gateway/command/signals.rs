//! `serve` and its signals: they drain, or end the gateway immediately.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use codepipeline_simulator::Fault;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::certificates::Authority;
use crate::harness::process::{send, serve_command};
use crate::harness::tokens::{Signer, set};
use crate::harness::{
    PATIENCE, Scratch, channel, check_health, command, request, serve, simulator_with, until_health,
    wait_for_requests, watch_health, within,
};

/// Creates a pipe. A read of it hangs until the test writes.
fn make_pipe(path: &PathBuf) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Opens a pipe for writing. That succeeds once the gateway has opened the pipe for reading.
async fn open_pipe(path: PathBuf) -> fs::File {
    let open = spawn_blocking(move || fs::OpenOptions::new().write(true).open(path).unwrap());
    within("a read of the file", PATIENCE, open).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_acknowledges_a_job_and_ends_with_0_after_either_signal() {
    for signal in ["TERM", "INT"] {
        let simulator = simulator_with(&["job"]).await;
        let (mut program, address) = serve(&simulator, &["--shutdown-delay", "0s"]).await;
        assert_eq!(send(address, request("job")).await.ok().aws_status, "InProgress");
        assert_eq!(simulator.acknowledged("job"), 1);
        let line = program.err.until(|line| line.contains("AcknowledgeThirdPartyJob")).await;
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["code"], &line["job_id"]), (&"OK".into(), &"job".into()), "{line}");
        program.signal(signal);
        let ended = program.end().await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{signal}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_serve_during_a_hanging_call() {
    let simulator = simulator_with(&["job"]).await;
    simulator.fault_job("job", Fault::Hang { process: false });
    let long = ["--shutdown-delay=0s", "--drain-timeout=1h", "--default-deadline=1h", "--max-deadline=1h"];
    let (mut program, address) =
        serve(&simulator, &[&long[..], &["--aws-attempt-timeout=1h"]].concat()).await;
    let hanging = tokio::spawn(send(address, request("job")));
    wait_for_requests(&simulator, 1).await;
    program.signal("TERM");
    program.err.until(|line| line.contains("draining")).await;
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_ne!(within("the hanging call", PATIENCE, hanging).await.unwrap().code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_file_read_does_not_delay_the_end() {
    let simulator = simulator_with(&[]).await;
    let (files, keys) = (Scratch::new(), set(&[&Signer::p256("one")]));
    let path = files.file("jwks.json", &keys);
    let source = format!("--jwt-jwks={}", path.display());
    let token =
        ["--auth=jwt", "--jwt-issuer=https://issuer.test", "--jwt-audience=a", "--allow=sub:a", &source];
    let (program, _) = serve(&simulator, &[&["--shutdown-delay=0s"], &token[..]].concat()).await;
    // A pipe without data is like a file on a hanging file system. The gateway opens it at its next
    // poll of the keys.
    let pipe = files.path().join("pipe");
    make_pipe(&pipe);
    fs::rename(&pipe, &path).unwrap();
    let open = open_pipe(path).await;
    program.signal("TERM");
    let ended = within("the end", PATIENCE, program.end()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    drop(open);
}

/// Without a handler, the first process of a container ignores the signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_during_the_start_ends_serve() {
    let files = Scratch::new();
    let (cert, key) = Authority::new().issue("gateway.test");
    let (pipe, key) = (files.path().join("tls.crt"), files.file("tls.key", &key));
    make_pipe(&pipe);
    let serve = serve_command(&["--shutdown-delay=0s"]);
    let program = serve.with("GATEWAY_TLS_CERT", &pipe).with("GATEWAY_TLS_KEY", key).with_keys().start();
    let mut open = open_pipe(pipe).await;
    program.signal("TERM");
    open.write_all(cert.as_bytes()).unwrap();
    drop(open);
    let ended = within("the end", PATIENCE, program.end()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_shutdown_delay_serve_is_unhealthy_and_accepts() {
    let simulator = simulator_with(&["early", "late"]).await;
    let (program, address) = serve(&simulator, &["--shutdown-delay", "1h"]).await;
    send(address, request("early")).await.ok();
    let mut watch = watch_health(channel(address)).await.unwrap();
    program.signal("TERM");
    until_health(&mut watch, ServingStatus::NotServing).await;
    // Each of these opens a new connection.
    assert_eq!(check_health(channel(address)).await.unwrap(), ServingStatus::NotServing);
    send(address, request("late")).await.ok();
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_delay_ends_at_its_time() {
    let simulator = simulator_with(&[]).await;
    let (program, _) = serve(&simulator, &["--shutdown-delay", "700ms"]).await;
    let start = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
}
