//! When the keys are refreshed: by the schedule, and by calls with an unknown key.

use std::fs;
use std::time::Duration;

use codepipeline_gateway::auth::{KeySource, RefreshSchedule};
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{
    ANY_CALLER, JWKS, NEVER, auth, by_url, call, calm, is_accepted, is_rejected, ready, refreshes,
    until_accepted, until_refreshes,
};
use crate::harness::key_server::{KeyServer, Reply};
use crate::harness::scratch::write_whole;
use crate::harness::tokens::{Signer, good, set, with_token};
use crate::harness::{PATIENCE, World, acknowledge, settings, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_reloaded_and_an_invalid_one_is_ignored() {
    let (folder, [old, new]) = (TempDir::new().unwrap(), ["old", "new"].map(Signer::p256));
    let path = folder.path().join("jwks.json");
    write_whole(&path, &set(&[&old]));
    let schedule = RefreshSchedule { file: Duration::from_millis(20), ..calm() };
    let world = ready(KeySource::file(path.clone()).unwrap(), schedule).await;
    assert!(is_accepted(&call(&world, &old).await));
    assert!(is_rejected(&call(&world, &new).await));
    let used = old.token(&good());
    for _again in 0..2 {
        assert!(is_accepted(&world.gateway.send(with_token("job", &used)).await));
    }

    for bad in ["", "{", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"new","k":"AA"}]}"#] {
        write_whole(&path, bad);
        let before = refreshes(&world, "error").await;
        until_refreshes(&world, "error", before + 2.0).await;
        assert!(is_accepted(&call(&world, &old).await), "{bad:?}: the old keys stay in use");
        assert!(world.gateway.is_ready().await);
    }
    fs::remove_file(&path).unwrap();
    let before = refreshes(&world, "error").await;
    until_refreshes(&world, "error", before + 2.0).await;
    assert!(is_accepted(&call(&world, &old).await), "no file: the old keys stay in use");

    write_whole(&path, &set(&[&new]));
    until_accepted(&world, &new).await;
    assert!(is_rejected(&call(&world, &old).await), "a removed key is invalid");
    let again = world.gateway.send(with_token("job", &used)).await;
    assert!(is_rejected(&again), "a cached token of a removed key is invalid");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_a_new_key_refreshes_the_keys_of_a_url() {
    let (server, [old, new]) = (KeyServer::start().await, ["old", "new"].map(Signer::p256));
    server.document(JWKS, set(&[&old]));
    let world = ready(by_url(&server), calm()).await;
    assert!(is_accepted(&call(&world, &old).await));
    server.document(JWKS, set(&[&old, &new]));
    assert!(is_accepted(&call(&world, &new).await), "the call waits for the keys");
    assert!(is_accepted(&call(&world, &old).await));
    assert_eq!(server.fetches().len(), 2);
    assert_eq!((refreshes(&world, "ok").await, refreshes(&world, "error").await), (2.0, 0.0));
    assert!(world.gateway.metric("codepipeline_gateway_jwt_keys_loaded_timestamp_seconds").await > 1e9);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_polled_and_a_failure_keeps_the_old_keys() {
    let (server, [old, new]) = (KeyServer::start().await, ["old", "new"].map(Signer::p256));
    server.document(JWKS, set(&[&old]));
    let world = ready(by_url(&server), RefreshSchedule { url: Duration::from_millis(20), ..calm() }).await;
    assert!(is_rejected(&call(&world, &new).await), "the only refresh that calls can cause");
    server.reply(JWKS, Reply::Status(503, "<html>unavailable</html>".into()));
    let before = refreshes(&world, "error").await;
    until_refreshes(&world, "error", before + 4.0).await;
    assert!(is_accepted(&call(&world, &old).await));
    assert!(world.gateway.is_ready().await);
    server.document(JWKS, set(&[&new]));
    until_accepted(&world, &new).await;
    assert!(is_rejected(&call(&world, &old).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_keys_causes_one_fetch() {
    let (server, known) = (KeyServer::start().await, Signer::p256("known"));
    server.document(JWKS, set(&[&known]));
    let mut settings = settings();
    settings.auth = auth(
        by_url(&server),
        ANY_CALLER,
        RefreshSchedule { first_retry: NEVER, last_retry: NEVER, ..calm() },
    );
    settings.max_in_flight = 1;
    let world = World::launch(settings).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;

    // While the fetch hangs, the calls with an unknown key wait for it, and other calls don't.
    let now = watch::Sender::new(false);
    server.reply(JWKS, Reply::Later(set(&[&known]), now.subscribe()));
    let token = Signer::p256("unknown").token(&good());
    let storm: Vec<_> = (0..100)
        .map(|_| {
            let (channel, request) = (world.gateway.channel.clone(), with_token("job", &token));
            tokio::spawn(acknowledge(channel, request))
        })
        .collect();
    server.wait_for_fetches(2).await;
    assert!(is_accepted(&call(&world, &known).await), "waiting calls hold no permit");
    now.send_replace(true);
    for call in storm {
        assert!(is_rejected(&within("a waiting call", PATIENCE, call).await.unwrap()));
    }
    for _more in 0..20 {
        assert!(is_rejected(&world.gateway.send(with_token("job", &token)).await));
    }
    assert_eq!(server.fetches().len(), 2, "the first fetch, and one for all calls");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_keys_no_longer_than_its_deadline() {
    let (server, known) = (KeyServer::start().await, Signer::p256("known"));
    server.document(JWKS, set(&[&known]));
    // The default deadline, because a deadline of the client would race with the gateway.
    let mut settings = settings();
    settings.auth = auth(by_url(&server), ANY_CALLER, calm());
    settings.deadlines.default = Duration::from_secs(3);
    let world = World::launch(settings).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    server.reply(JWKS, Reply::Silence);
    let answer = call(&world, &Signer::p256("unknown")).await;
    assert_eq!((answer.code(), answer.outcome()), (Code::DeadlineExceeded, "not_sent".into()), "{answer:?}");
    world.stop().await;
}
