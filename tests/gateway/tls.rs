//! TLS and client certificates: real handshakes, and certificates that change while the gateway
//! runs.

use std::fs;
use std::sync::Arc;

use codepipeline_gateway::server::{Tls, TlsFiles};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::certificates::{Authority, connect_tls, mutual_tls_files, tls_files, write_pair};
use crate::harness::http2::full_preface;
use crate::harness::{PATIENCE, World, acknowledge, channel, check_health, request, until};

async fn world(files: TlsFiles) -> World {
    World::changed(|settings| settings.tls = Some(Tls::load(files).unwrap())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tls_succeeds_and_plaintext_fails() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &ca.issue("gateway.test"));
    let world = world(tls_files(folder.path(), false)).await;
    world.add("job-1");
    acknowledge(connect_tls(&world, &ca, None).await.unwrap(), request("job-1")).await.ok();
    assert!(connect_tls(&world, &Authority::new(), None).await.is_err(), "another authority");
    let plaintext = channel(world.gateway.address);
    assert!(acknowledge(plaintext, request("job-1")).await.result.is_err());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_client_ca_every_caller_must_present_a_certificate() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let world = world(mutual_tls_files(&ca, folder.path())).await;
    world.add("job-1");
    for identity in [None, Some(Authority::new().issue("worker.test"))] {
        // With TLS 1.3 a client learns only after its handshake that the server rejected it.
        if let Ok(channel) = connect_tls(&world, &ca, identity.as_ref()).await {
            let answer = acknowledge(channel, request("job-1")).await;
            assert!(answer.result.is_err() && world.simulator.requests().is_empty(), "{answer:?}");
        }
    }
    let worker = ca.issue("worker.test");
    acknowledge(connect_tls(&world, &ca, Some(&worker)).await.unwrap(), request("job-1")).await.ok();
    // A rejected client might have retried.
    assert!(world.gateway.metric("codepipeline_gateway_tls_handshakes_failed_total").await >= 2.0);
    world.stop().await;
}

/// A resumed session could outlive its certificate, because rustls doesn't check the dates again.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_client_certificate_is_never_resumed() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    mutual_tls_files(&ca, folder.path());
    let loads = "codepipeline_gateway_tls_certificate_loads_total{result=\"ok\"}";
    for (client_ca, kind) in [(true, HandshakeKind::Full), (false, HandshakeKind::Resumed)] {
        let world = world(tls_files(folder.path(), client_ca)).await;
        // The first poll of the files creates a new configuration, without sessions.
        world.gateway.until_metric(loads, |count| count >= 1.0).await;
        for version in [&TLS12, &TLS13] {
            let connector = connector(&ca, version);
            let connect = async || {
                let socket = TcpStream::connect(world.gateway.address).await.unwrap();
                let mut tls = connector.connect("gateway.test".try_into().unwrap(), socket).await.unwrap();
                // Tickets for a resumption come before the gateway's SETTINGS, so the client has
                // read them.
                tls.write_all(&full_preface()).await.unwrap();
                tls.read_exact(&mut [0; 9]).await.unwrap();
                tls.get_ref().1.handshake_kind().unwrap()
            };
            assert_eq!(connect().await, HandshakeKind::Full);
            assert_eq!(connect().await, kind, "{version:?}");
        }
        world.stop().await;
    }
}

/// A TLS client of one version that presents a certificate of this authority.
fn connector(ca: &Authority, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let (cert, key) = ca.issue("worker.test");
    let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
    let mut config = config.with_client_auth_cert(vec![cert], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_reloaded_and_an_invalid_one_is_ignored() {
    let (old, new, folder) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    write_pair(folder.path(), &old.issue("gateway.test"));
    let world = world(tls_files(folder.path(), false)).await;
    let open = connect_tls(&world, &old, None).await.unwrap();
    let loads =
        |result: &str| format!("codepipeline_gateway_tls_certificate_loads_total{{result=\"{result}\"}}");
    let expiry = world.gateway.metric("codepipeline_gateway_tls_certificate_expiry_timestamp_seconds").await;
    assert!(expiry > 1e9);

    // The key doesn't match the certificate, so the old pair stays in use.
    fs::write(folder.path().join("tls.key"), new.issue("gateway.test").1).unwrap();
    world.gateway.until_metric(&loads("error"), |count| count >= 1.0).await;
    connect_tls(&world, &old, None).await.expect("the old certificate");

    write_pair(folder.path(), &new.issue("gateway.test"));
    let connect = async || connect_tls(&world, &new, None).await.map(drop);
    until("the new certificate", PATIENCE, connect, Result::is_ok).await.unwrap();
    assert!(connect_tls(&world, &old, None).await.is_err());
    check_health(open).await.expect("an open connection stays open");
    world.stop().await;
}

#[test]
fn unusable_tls_files_are_named() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let error = |client_ca| Tls::load(tls_files(folder.path(), client_ca)).unwrap_err().to_string();
    assert!(error(false).contains("tls.crt"), "missing");
    let (cert, key) = ca.issue("gateway.test");
    write_pair(folder.path(), &(String::from("nothing"), key.clone()));
    assert!(error(false).ends_with("tls.crt: the file has no PEM certificate"));
    write_pair(folder.path(), &(cert.clone(), String::from("nothing")));
    assert!(error(false).ends_with("tls.key: the file has no PEM private key"));
    write_pair(folder.path(), &(cert.clone(), ca.issue("gateway.test").1));
    assert!(error(false).contains("tls.crt and ") && error(false).contains("tls.key: "), "{}", error(false));
    write_pair(folder.path(), &(cert, key));
    assert!(error(true).contains("ca.crt"), "missing");
    fs::write(folder.path().join("ca.crt"), "nothing").unwrap();
    assert!(error(true).ends_with("ca.crt: the file has no PEM certificate"));
}
