//! `serve`: a call end to end, signals, ports, credentials that change, the operating system.

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::AccessKey;
use codepipeline_simulator::Fault;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::certificates::Authority;
use crate::harness::{Answer, metric, request};
use crate::process::{
    PATIENCE, Scratch, channel, command, health, send, serve, simulator_with, until_health, until_serving,
    watch_health,
};
use crate::tokens::{Signer, set};

#[tokio::test(flavor = "multi_thread")]
async fn serve_acknowledges_a_job_and_either_signal_ends_it_with_0() {
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
async fn a_second_signal_ends_it_at_once_although_a_call_hangs() {
    let simulator = simulator_with(&["job"]).await;
    simulator.fault_job("job", Fault::Hang { process: false });
    let long = ["--shutdown-delay=0s", "--drain-timeout=1h", "--default-deadline=1h", "--max-deadline=1h"];
    let (mut program, address) =
        serve(&simulator, &[&long[..], &["--aws-attempt-timeout=1h"]].concat()).await;
    let hanging = tokio::spawn(send(address, request("job")));
    simulator.wait_for_requests(1).await;
    program.signal("TERM");
    program.err.until(|line| line.contains("draining")).await;
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_ne!(hanging.await.unwrap().code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_hangs_holds_no_end() {
    let simulator = simulator_with(&[]).await;
    let (files, keys) = (Scratch::new(), set(&[&Signer::p256("one")]));
    let path = files.file("jwks.json", &keys);
    let source = format!("--jwt-jwks={}", path.display());
    let token =
        ["--auth=jwt", "--jwt-issuer=https://issuer.test", "--jwt-audience=a", "--allow=sub:a", &source];
    let (program, _) = serve(&simulator, &[&["--shutdown-delay=0s"], &token[..]].concat()).await;
    // A file system that hangs, for all that a reader can tell: a pipe that somebody holds and doesn't write to. It can be
    // opened once the gateway has opened it too, to look at its keys again.
    let pipe = files.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, &path).unwrap();
    let open = spawn_blocking(move || fs::OpenOptions::new().write(true).open(path).unwrap());
    let held = timeout(PATIENCE, open).await.expect("the gateway looks at its keys").unwrap();
    program.signal("TERM");
    let ended = timeout(PATIENCE, program.end()).await.expect("an end");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    drop(held);
}

/// The first process of a container would simply go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_comes_before_it_serves_ends_it_too() {
    let files = Scratch::new();
    let (cert, key) = Authority::new().issue("gateway.test");
    let (pipe, key) = (files.path().join("tls.crt"), files.file("tls.key", &key));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let serve =
        command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--shutdown-delay=0s"]);
    let program = serve.with("GATEWAY_TLS_CERT", &pipe).with("GATEWAY_TLS_KEY", key).with_keys().start();
    // It can be opened once the gateway has opened it too, to read its certificate.
    let open = spawn_blocking(move || fs::OpenOptions::new().write(true).open(pipe).unwrap());
    let mut held = timeout(PATIENCE, open).await.expect("the gateway reads its certificate").unwrap();
    program.signal("TERM");
    held.write_all(cert.as_bytes()).unwrap();
    drop(held);
    let ended = timeout(PATIENCE, program.end()).await.expect("an end");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_shutdown_delay_it_is_not_serving_and_still_accepts() {
    let simulator = simulator_with(&["early", "late"]).await;
    let (program, address) = serve(&simulator, &["--shutdown-delay", "1h"]).await;
    send(address, request("early")).await.ok();
    let mut watch = watch_health(address).await;
    program.signal("TERM");
    until_health(&mut watch, ServingStatus::NotServing).await;
    // Each of these makes a connection of its own.
    assert_eq!(health(address).await, ServingStatus::NotServing);
    send(address, request("late")).await.ok();
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_delay_ends_by_itself_and_not_before_its_time() {
    let simulator = simulator_with(&[]).await;
    let (program, _) = serve(&simulator, &["--shutdown-delay", "700ms"]).await;
    let told = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
    assert!(told.elapsed() >= Duration::from_millis(700), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_retry_variables_are_warned_of_and_ignored() {
    for (variable, value) in
        [("AWS_MAX_ATTEMPTS", "several"), ("AWS_RETRY_MODE", "nonsense"), ("AWS_MAX_ATTEMPTS", "1")]
    {
        let simulator = simulator_with(&["job"]).await;
        simulator.fault_job("job", Fault::error("ThrottlingException"));
        let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
            .with_keys()
            .with(variable, value);
        let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
        let warning = program.err.until(|line| line.contains(variable)).await;
        assert!(warning.contains("WARN") && warning.contains("ignored"), "{warning}");
        let address = program.address().await;
        until_serving(address).await;
        // The gateway's own loop repeats what was throttled.
        send(address, request("job")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_starts_says_why_and_serves_once_they_are_there() {
    let files = Scratch::new();
    let simulator = simulator_with(&["job"]).await;
    let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
        .with("AWS_REGION", "eu-west-1");
    let serve = serve.with("AWS_SHARED_CREDENTIALS_FILE", files.path().join("credentials"));
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let address = program.address().await;
    let warning = program.err.until(|line| line.contains("can't load AWS credentials")).await;
    assert!(warning.contains("WARN"), "{warning}");

    let mut watch = watch_health(address).await;
    until_health(&mut watch, ServingStatus::NotServing).await;
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    let refused = send(address, request("job")).await;
    assert_eq!(
        (refused.code(), refused.reason().as_str()),
        (Code::Unavailable, "GATEWAY_CREDENTIALS_UNAVAILABLE")
    );
    assert!(simulator.requests().is_empty());

    let AccessKey { access_key_id, secret_access_key, .. } = AccessKey::fake();
    let keys = format!(
        "[default]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n"
    );
    files.file("credentials", &keys);
    until_health(&mut watch, ServingStatus::Serving).await;
    send(address, request("job")).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credentials_file_is_taken_without_a_failed_call() {
    let simulator = simulator_with(&[]).await;
    let keys = ["AKIAFAKEBEFORE000000", "AKIAFAKEAFTER0000000"];
    simulator.set_keys(keys.map(|id| AccessKey::new(id, "fake-secret")).into());
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("credentials");
    let write = |id: &str| {
        let next = folder.path().join("next");
        fs::write(
            &next,
            format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = fake-secret\n"),
        )
        .unwrap();
        fs::rename(next, &path).unwrap();
    };
    write(keys[0]);
    let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
        .with("AWS_REGION", "eu-west-1")
        // As a unit file has it, without a shell that replaces the `~`.
        .with("HOME", folder.path())
        .with("AWS_SHARED_CREDENTIALS_FILE", "~/credentials")
        .with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url());
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    let mut client = ThirdPartyJobServiceClient::new(channel(address));
    write(keys[1]);
    // Looked at every few seconds: the condition is the new key on a call.
    let signed_with = |key: &str| {
        simulator.requests().last().is_some_and(|last| last.access_key_id.as_deref() == Some(key))
    };
    while !signed_with(keys[1]) {
        let answer: Answer = client.acknowledge_third_party_job(request("job-0")).await.into();
        assert_eq!(answer.reason(), "JOB_NOT_FOUND", "no call suffers from the change");
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_for_the_limits_is_bad_configuration() {
    let serve = [
        "serve",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--max-connections=18446744073709551615",
    ];
    let told = command(&serve).with_keys().run().await;
    told.failed(64, &["--max-connections", "GATEWAY_MAX_CONNECTIONS", "--max-in-flight", "ulimit -n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unspecified_ipv6_address_takes_ipv4_too() {
    let simulator = simulator_with(&[]).await;
    let serve = command(&["serve", "--grpc-addr=[::]:0", "--admin-addr=127.0.0.1:0"]).with_keys();
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let port = program.address().await.port();
    until_serving(SocketAddr::from(([127, 0, 0, 1], port))).await;
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_log_that_stalls_stalls_no_call() {
    let simulator = simulator_with(&[]).await;
    // At this level a call is dozens of lines: the pipe is full soon, and then so is the queue.
    let serve = [
        "serve",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-level=debug",
        "--shutdown-delay=0s",
    ];
    let serve = command(&serve).with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url());
    let (mut program, unread) = serve.start_with_stalled_log("\"message\":\"listening\"");
    let (grpc, admin) = program.addresses().await;
    until_serving(grpc).await;
    let mut client = ThirdPartyJobServiceClient::new(channel(grpc));
    let calls = async {
        while metric(admin, "codepipeline_gateway_log_lines_dropped_total").await == 0.0 {
            for _ in 0..100 {
                let answer: Answer = client.acknowledge_third_party_job(request("job-0")).await.into();
                assert_eq!(answer.reason(), "JOB_NOT_FOUND");
            }
        }
    };
    timeout(PATIENCE, calls).await.expect("no call hangs");
    drop(client);
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0), "nor does it stall the end");
    drop(unread);
}
