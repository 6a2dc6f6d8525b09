//! `serve` and its credentials: none at the start, and files that change.

use codepipeline_simulator::AccessKey;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::credential_documents::credentials_file;
use crate::harness::process::{send, serve_command};
use crate::harness::{
    PATIENCE, REGION, Scratch, acknowledge, channel, command, request, simulator_with, until, until_health,
    until_serving, watch_health,
};

#[tokio::test(flavor = "multi_thread")]
async fn serve_starts_without_credentials_and_serves_when_they_exist() {
    let files = Scratch::new();
    let simulator = simulator_with(&["job"]).await;
    let serve = serve_command(&[]).with("AWS_REGION", REGION).for_simulator(&simulator);
    let mut program = serve.with("AWS_SHARED_CREDENTIALS_FILE", files.path().join("credentials")).start();
    let address = program.address().await;
    let warning = program.err.until(|line| line.contains("can't load AWS credentials")).await;
    assert!(warning.contains("WARN"), "{warning}");

    let mut watch = watch_health(channel(address)).await.unwrap();
    until_health(&mut watch, ServingStatus::NotServing).await;
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    let rejected = send(address, request("job")).await;
    assert_eq!(
        (rejected.code(), rejected.reason().as_str()),
        (Code::Unavailable, "GATEWAY_CREDENTIALS_UNAVAILABLE")
    );
    assert!(simulator.requests().is_empty());

    let AccessKey { access_key_id, secret_access_key, .. } = AccessKey::fake();
    files.file("credentials", &credentials_file(&access_key_id, &secret_access_key));
    until_health(&mut watch, ServingStatus::Serving).await;
    send(address, request("job")).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credentials_file_costs_no_call() {
    let simulator = simulator_with(&[]).await;
    let keys = ["AKIAFAKEBEFORE000000", "AKIAFAKEAFTER0000000"];
    simulator.set_keys(keys.map(|id| AccessKey::new(id, "fake-secret")).into());
    let home = Scratch::new();
    let write = |id: &str| home.file("credentials", &credentials_file(id, "fake-secret"));
    write(keys[0]);
    let serve = serve_command(&[])
        .with("AWS_REGION", REGION)
        // A unit file has this value. No shell replaces the `~`.
        .with("HOME", home.path())
        .with("AWS_SHARED_CREDENTIALS_FILE", "~/credentials")
        .for_simulator(&simulator);
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    let channel = channel(address);
    write(keys[1]);
    // The gateway polls the file every few seconds.
    let call = async || {
        let answer = acknowledge(channel.clone(), request("job-0")).await;
        assert_eq!(answer.reason(), "JOB_NOT_FOUND", "the change costs no call");
        simulator.requests().last().unwrap().access_key_id.clone()
    };
    until("a call with the new key", PATIENCE, call, |key| key.as_deref() == Some(keys[1])).await;
    simulator.stop().await;
}
