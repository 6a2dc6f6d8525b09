//! `serve` and the operating system: ports, open files, the log, and variables of the SDK.

use std::net::SocketAddr;

use codepipeline_simulator::Fault;

use crate::harness::process::{send, serve_command};
use crate::harness::{
    PATIENCE, acknowledge, channel, command, metric, request, simulator_with, until, until_serving,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_retry_variables_of_the_sdk_are_ignored_with_a_warning() {
    for (variable, value) in
        [("AWS_MAX_ATTEMPTS", "several"), ("AWS_RETRY_MODE", "nonsense"), ("AWS_MAX_ATTEMPTS", "1")]
    {
        let simulator = simulator_with(&["job"]).await;
        simulator.fault_job("job", Fault::error("ThrottlingException"));
        let serve = serve_command(&[]).with_keys().for_simulator(&simulator);
        let mut program = serve.with(variable, value).start();
        let warning = program.err.until(|line| line.contains(variable)).await;
        assert!(warning.contains("WARN") && warning.contains("ignored"), "{warning}");
        let address = program.address().await;
        until_serving(address).await;
        // The gateway itself retries throttled requests.
        send(address, request("job")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_above_the_open_file_limit_are_rejected() {
    let ended = serve_command(&["--max-connections=18446744073709551615"]).with_keys().run().await;
    ended.failed(64, &["--max-connections", "GATEWAY_MAX_CONNECTIONS", "--max-in-flight", "ulimit -n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unspecified_ipv6_address_accepts_ipv4() {
    let simulator = simulator_with(&[]).await;
    let serve = command(&["serve", "--grpc-addr=[::]:0", "--admin-addr=127.0.0.1:0"]).with_keys();
    let mut program = serve.for_simulator(&simulator).start();
    let port = program.address().await.port();
    until_serving(SocketAddr::from(([127, 0, 0, 1], port))).await;
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_log_reader_delays_no_call() {
    let simulator = simulator_with(&[]).await;
    // At this level a call is dozens of lines, so the pipe and then the queue fill up soon.
    let serve = serve_command(&["--log-level=debug", "--shutdown-delay=0s"]).with_keys();
    let serve = serve.for_simulator(&simulator);
    let (mut program, unread) = serve.start_with_stalled_log("\"message\":\"listening\"").await;
    let (grpc, admin) = program.addresses().await;
    until_serving(grpc).await;
    let channel = channel(grpc);
    let calls = async || {
        for _ in 0..100 {
            let answer = acknowledge(channel.clone(), request("job-0")).await;
            assert_eq!(answer.reason(), "JOB_NOT_FOUND");
        }
        metric(admin, "codepipeline_gateway_log_lines_dropped_total").await
    };
    until("dropped log lines", PATIENCE, calls, |count| *count > 0.0).await;
    drop(channel);
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0), "the stalled reader doesn't delay the end");
    drop(unread);
}
