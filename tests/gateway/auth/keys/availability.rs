//! No keys, or keys that are too old: the gateway isn't ready, and calls get
//! GATEWAY_KEYS_UNAVAILABLE.

use std::fs;
use std::time::Duration;

use codepipeline_gateway::auth::{Access, HttpsUrl, KeySource, RefreshSchedule};
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{JWKS, by_url, call, calm, is_accepted, is_rejected, launch, ready, until_refreshes};
use crate::harness::key_server::KeyServer;
use crate::harness::scratch::write_whole;
use crate::harness::tokens::{Signer, set, with_token};
use crate::harness::{PATIENCE, loopback, until};

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_the_gateway_is_not_ready_and_recovers() {
    // A closed port.
    let listener = loopback().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let signer = Signer::p256("one");
    let source =
        KeySource::url(HttpsUrl::parse(&format!("https://{address}{JWKS}")).unwrap(), Access::default());
    let world = launch(source, calm()).await;
    until_refreshes(&world, "error", 2.0).await;
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let readiness = async || world.gateway.get("/readyz", "*/*").await.1;
    let no_keys = "not ready: no keys to verify bearer tokens; see the log\n";
    until("readiness", PATIENCE, readiness, |body| body == no_keys).await;
    let answer = call(&world, &signer).await;
    let error = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
    assert_eq!(error, (Code::Unavailable, "GATEWAY_KEYS_UNAVAILABLE".into(), "not_sent".into(), 0));
    assert!(answer.details().retry_info().is_some());
    // An error of the caller stays an error of the caller.
    assert!(is_rejected(&world.gateway.send(with_token("job", "x")).await));
    assert_eq!(world.gateway.metric("codepipeline_gateway_jwt_keys_loaded_timestamp_seconds").await, 0.0);
    world.stop().await;

    // The same with a server that gets its document later.
    let server = KeyServer::start().await;
    let world = launch(by_url(&server), calm()).await;
    until_refreshes(&world, "error", 1.0).await;
    assert!(!world.gateway.is_ready().await);
    server.document(JWKS, set(&[&signer]));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_accepted(&call(&world, &signer).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_without_a_refresh_for_too_long_are_not_used() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::p256("one"));
    let path = folder.path().join("jwks.json");
    write_whole(&path, &set(&[&signer]));
    let schedule =
        RefreshSchedule { file: Duration::from_millis(20), stale: Duration::from_secs(3), ..calm() };
    let world = ready(KeySource::file(path.clone()).unwrap(), schedule).await;
    assert!(is_accepted(&call(&world, &signer).await));
    fs::remove_file(&path).unwrap();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let (_, body) = world.gateway.get("/readyz", "*/*").await;
    assert_eq!(body, "not ready: the keys to verify bearer tokens are too old; see the log\n");
    let answer = call(&world, &signer).await;
    assert_eq!((answer.code(), answer.reason()), (Code::Unavailable, "GATEWAY_KEYS_UNAVAILABLE".into()));
    write_whole(&path, &set(&[&signer]));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_accepted(&call(&world, &signer).await));
    world.stop().await;
}
