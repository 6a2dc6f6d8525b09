//! `health`: its exit code reports whether a gateway serves.

use std::fs;
use std::time::{Duration, Instant};

use codepipeline_gateway::server::Tls;
use tempfile::TempDir;

use crate::harness::certificates::{Authority, mutual_tls_files};
use crate::harness::{Gateway, World, command, fake_keys, loopback, settings, simulator_with};

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_reports_whether_a_gateway_serves() {
    let simulator = simulator_with(&[]).await;
    let gateway = Gateway::start(simulator.endpoint_url(), settings(), Some(fake_keys())).await;
    let ended = command(&["health", "--addr", &gateway.address.to_string()]).run().await;
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "SERVING", ""));

    let closed = loopback().await.local_addr().unwrap().to_string();
    command(&["health", "--addr", &closed]).run().await.failed(1, &[&closed, "Connection refused"]);
    // The wrong port, and TLS on a port without it.
    let admin = gateway.admin.to_string();
    command(&["health", "--addr", &admin]).run().await.failed(1, &["If this is the gRPC port, it uses TLS"]);
    let grpc = gateway.address.to_string();
    command(&["health", "--tls", "--addr", &grpc])
        .run()
        .await
        .failed(1, &["the server doesn't use TLS; remove --tls"]);

    let silent = loopback().await;
    let address = silent.local_addr().unwrap().to_string();
    let start = Instant::now();
    command(&["health", "--addr", &address, "--timeout", "300ms"]).run().await.failed(1, &[&address]);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(silent);

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

#[tokio::test(flavor = "multi_thread")]
async fn health_uses_tls_and_presents_a_certificate() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let tls = Tls::load(mutual_tls_files(&ca, folder.path())).unwrap();
    let world = World::changed(|settings| settings.tls = Some(tls)).await;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (address, root, cert, key) =
        (world.gateway.address.to_string(), path("ca.crt"), path("tls.crt"), path("tls.key"));
    let args = ["health", "--addr", &address, "--ca", &root, "--server-name", "gateway.test"];
    let with_certificate = [&args[..], &["--cert", &cert, "--key", &key]].concat();
    let serving = command(&with_certificate).run().await;
    assert_eq!((serving.code, serving.out.as_str()), (Some(0), "SERVING"), "{serving:?}");
    for (args, why) in [
        (&args[..], "it requires a client certificate; set --cert and --key"),
        (&["health", "--addr", &address], "it uses TLS; set --tls or --ca"),
        (&["health", "--addr", &address, "--tls"], "invalid peer certificate"),
    ] {
        let ended = command(args).run().await;
        assert!(ended.code == Some(1) && ended.err.contains(why), "{why}: {ended:?}");
    }
    let other = path("other.key");
    fs::write(&other, ca.issue("gateway.test").1).unwrap();
    let mixed = [&args[..], &["--cert", &cert, "--key", &other]].concat();
    let mixed = command(&mixed).run().await;
    let named = mixed.err.contains("the private key doesn't belong to the certificate");
    assert!(mixed.code == Some(64) && named, "{mixed:?}");
    let unreadable = command(&["health", "--ca", "/no/such/file"]).run().await;
    assert_eq!(unreadable.code, Some(64), "{unreadable:?}");
    world.stop().await;
}
