//! TLS and client certificates, with real handshakes, and certificates that change while the gateway runs.

use std::fs;
use std::sync::Arc;

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::server::{Tls, TlsFiles};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::certificates::{Authority, connect, files, write_pair};
use crate::frames::{PREFACE, SETTINGS, frame};
use crate::harness::{Answer, World, fake_keys, request, settings};

async fn world(files: TlsFiles) -> World {
    let mut settings = settings();
    settings.tls = Some(Tls::load(files).unwrap());
    World::with(settings, Some(fake_keys())).await
}

async fn acknowledge(channel: Channel, job: &str) -> Answer {
    ThirdPartyJobServiceClient::new(channel).acknowledge_third_party_job(request(job)).await.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tls_works_and_plaintext_does_not() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    let world = world(files(folder.path(), false)).await;
    world.add("job-1");
    acknowledge(connect(&world, &ca, None).await.unwrap(), "job-1").await.ok();
    assert!(
        connect(&world, &Authority::new(), None).await.is_err(),
        "a certificate of somebody else's authority"
    );
    let plaintext =
        Endpoint::from_shared(format!("http://{}", world.gateway.address)).unwrap().connect_lazy();
    assert!(acknowledge(plaintext, "job-1").await.result.is_err());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_client_ca_every_caller_must_present_a_certificate() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let world = world(files(folder.path(), true)).await;
    world.add("job-1");
    for identity in [None, Some(Authority::new().issue("worker.test"))] {
        // With TLS 1.3 a client believes itself connected until it hears of the refusal.
        if let Ok(channel) = connect(&world, &ca, identity.as_ref()).await {
            let answer = acknowledge(channel, "job-1").await;
            assert!(answer.result.is_err() && world.simulator.requests().is_empty(), "{answer:?}");
        }
    }
    let worker = ca.issue("worker.test");
    acknowledge(connect(&world, &ca, Some(&worker)).await.unwrap(), "job-1").await.ok();
    // A client that was refused may have tried again.
    assert!(world.gateway.metric("codepipeline_gateway_tls_handshakes_failed_total").await >= 2.0);
    world.stop().await;
}

/// Or a session would outlive its certificate: at a resumption nobody looks at its dates.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_client_certificate_is_never_resumed() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let loads = "codepipeline_gateway_tls_certificate_loads_total{result=\"ok\"}";
    for (client_ca, kind) in [(true, HandshakeKind::Full), (false, HandshakeKind::Resumed)] {
        let world = world(files(folder.path(), client_ca)).await;
        // The first look at the files makes the configuration anew, which knows no session.
        while world.gateway.metric(loads).await < 1.0 {}
        for version in [&TLS12, &TLS13] {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
            let (cert, key) = ca.issue("worker.test");
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let config =
                ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
            let mut config = config.with_client_auth_cert(vec![cert], key).unwrap();
            config.alpn_protocols = vec![b"h2".to_vec()];
            let connector = TlsConnector::from(Arc::new(config));
            let connect = async || {
                let socket = TcpStream::connect(world.gateway.address).await.unwrap();
                let mut tls = connector.connect("gateway.test".try_into().unwrap(), socket).await.unwrap();
                // The gateway's SETTINGS: what goes before them, tickets for a resumption, has been read then.
                tls.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
                tls.read_exact(&mut [0; 9]).await.unwrap();
                tls.get_ref().1.handshake_kind().unwrap()
            };
            assert_eq!(connect().await, HandshakeKind::Full);
            assert_eq!(connect().await, kind, "{version:?}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pair_is_taken_and_a_bad_one_is_not() {
    let (old, new, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &old.issue("gateway.test"));
    let world = world(files(folder.path(), false)).await;
    let mut open = HealthClient::new(connect(&world, &old, None).await.unwrap());
    let loads =
        |result: &str| format!("codepipeline_gateway_tls_certificate_loads_total{{result=\"{result}\"}}");
    let expiry = world.gateway.metric("codepipeline_gateway_tls_certificate_expiry_timestamp_seconds").await;
    assert!(expiry > 1e9);

    // A key that isn't the certificate's: refused, and the old pair keeps serving.
    fs::write(folder.path().join("tls.key"), new.issue("gateway.test").1).unwrap();
    while world.gateway.metric(&loads("error")).await < 1.0 {}
    connect(&world, &old, None).await.expect("the old certificate");

    write_pair(folder.path(), &new.issue("gateway.test"));
    while connect(&world, &new, None).await.is_err() {}
    assert!(connect(&world, &old, None).await.is_err());
    let request = HealthCheckRequest { service: String::new() };
    open.check(request).await.expect("a connection from before goes on");
    world.stop().await;
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let told = |client_ca| Tls::load(files(folder.path(), client_ca)).unwrap_err().to_string();
    assert!(told(false).contains("tls.crt"), "missing");
    let (cert, key) = ca.issue("gateway.test");
    write_pair(folder.path(), &(String::from("nothing"), key.clone()));
    assert!(told(false).ends_with("tls.crt: no certificate in PEM form in it"));
    write_pair(folder.path(), &(cert.clone(), String::from("nothing")));
    assert!(told(false).ends_with("tls.key: no private key in PEM form in it"));
    write_pair(folder.path(), &(cert.clone(), ca.issue("gateway.test").1));
    assert!(told(false).contains("tls.crt and ") && told(false).contains("tls.key: "), "{}", told(false));
    write_pair(folder.path(), &(cert, key));
    assert!(told(true).contains("ca.crt"), "missing");
    fs::write(folder.path().join("ca.crt"), "nothing").unwrap();
    assert!(told(true).ends_with("ca.crt: no certificate in PEM form in it"));
}

/// The command's own way in, without whatever the machine has configured.
async fn command(args: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_codepipeline-gateway"));
    command.env_clear().args(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_command_speaks_tls_and_shows_a_certificate() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let world = world(files(folder.path(), true)).await;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (address, root, cert, key) =
        (world.gateway.address.to_string(), path("ca.crt"), path("tls.crt"), path("tls.key"));
    let asks = ["health", "--addr", &address, "--ca", &root, "--server-name", "gateway.test"];
    let with_certificate = [&asks[..], &["--cert", &cert, "--key", &key]].concat();
    let serving = command(&with_certificate).await;
    assert_eq!(
        (serving.status.code(), serving.stdout.as_slice()),
        (Some(0), &b"SERVING\n"[..]),
        "{serving:?}"
    );
    for (refused, why) in [
        (&asks[..], "give --cert and --key"),
        (&["health", "--addr", &address], "give --tls or --ca"),
        (&["health", "--addr", &address, "--tls"], "invalid peer certificate"),
    ] {
        let refused = command(refused).await;
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && told.contains(why), "{why}: {refused:?}");
    }
    let other = path("other.key");
    fs::write(&other, ca.issue("gateway.test").1).unwrap();
    let mixed = [&asks[..], &["--cert", &cert, "--key", &other]].concat();
    let mixed = command(&mixed).await;
    let told = String::from_utf8_lossy(&mixed.stderr);
    assert!(mixed.status.code() == Some(64) && told.contains("the key isn't the certificate's"), "{mixed:?}");
    let unreadable = command(&["health", "--ca", "/no/such/file"]).await;
    assert_eq!(unreadable.status.code(), Some(64), "{unreadable:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_auth_configuration_is_one_line_and_64() {
    for flags in [
        &["--auth=mtls"][..],
        &["--auth=mtls", "--allow=dns:worker.test"],
        &["--allow=dns:worker.test"],
        &["--auth=mtls", "--allow=worker.test"],
        &["--auth=mtls", "--allow=spiffe://a*"],
    ] {
        let refused = command(&[&["serve"][..], flags].concat()).await;
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), told.lines().count()), (Some(64), 1), "{flags:?}: {told}");
        assert!(told.contains("GATEWAY_AUTH") || told.contains("GATEWAY_ALLOW"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_tls_configuration_is_one_line_and_64() {
    for flags in [
        &["--tls-cert=x.crt"][..],
        &["--tls-key=x.key"],
        &["--tls-client-ca=ca.crt"],
        &["--tls-cert=x", "--tls-key=y"],
    ] {
        let refused = command(&[&["serve"][..], flags].concat()).await;
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(64), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("--tls-cert") && told.contains("GATEWAY_TLS_CERT"), "{told}");
    }
}
