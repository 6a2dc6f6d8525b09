//! `health`: its exit code says whether a gateway serves.

use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

use crate::harness::{Gateway, fake_keys, loopback, settings};
use crate::process::{command, simulator_with};

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_by_its_exit_code_whether_a_gateway_serves() {
    let simulator = simulator_with(&[]).await;
    let gateway = Gateway::start(simulator.endpoint_url(), settings(), Some(fake_keys())).await;
    let ended = command(&["health", "--addr", &gateway.address.to_string()]).run().await;
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "SERVING", ""));

    let nobody = loopback().await.local_addr().unwrap().to_string();
    command(&["health", "--addr", &nobody]).run().await.failed(1, &[&nobody, "Connection refused"]);
    // The wrong port, and TLS where there is none.
    let admin = gateway.admin.to_string();
    command(&["health", "--addr", &admin]).run().await.failed(1, &["if it is the gRPC port and has TLS"]);
    let grpc = gateway.address.to_string();
    command(&["health", "--tls", "--addr", &grpc]).run().await.failed(1, &["speaks no TLS: leave out --tls"]);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap().to_string(), silent);
    let asked = Instant::now();
    command(&["health", "--addr", &silent.0, "--timeout", "300ms"]).run().await.failed(1, &[&silent.0]);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());

    for bad in [
        "",
        "localhost",
        "http://localhost:50051",
        "localhost:50051/x",
        "local host:1",
        ":50051",
        "me@localhost:1",
        "localhost:1?x",
        "localhost:port",
    ] {
        command(&["health", "--addr", bad]).run().await.failed(64, &["--addr"]);
    }
}
