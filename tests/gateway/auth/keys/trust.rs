//! Trust: the token for the key server, its certificate, and the configuration of both.

use std::fs;
use std::time::Duration;

use codepipeline_gateway::auth::{Access, AccessError, HttpsUrl, KeySource, RefreshSchedule};
use tempfile::TempDir;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{
    JWKS, access, call, calm, described, is_accepted, is_rejected, launch, ready, until_accepted,
    until_refreshes, url,
};
use crate::harness::certificates::Authority;
use crate::harness::key_server::{Fetch, KeyServer, Reply};
use crate::harness::scratch::write_whole;
use crate::harness::tokens::{Signer, set};

/// As in a cluster: the keys and the CA of the API server, and a service account token that is
/// renewed.
#[tokio::test(flavor = "multi_thread")]
async fn cluster_keys_are_fetched_with_the_current_token() {
    let (server, folder) = (KeyServer::start().await, TempDir::new().unwrap());
    let [old, new, newest] = ["old", "new", "newest"].map(|id| Signer::rsa(id, 0));
    let token = folder.path().join("token");
    write_whole(&token, "fake-token-1\n");
    server.reply(JWKS, Reply::For("fake-token-1".into(), set(&[&old])));
    let source = KeySource::url(url(&server, JWKS), access(&server, Some(token.clone())));
    let world = ready(source, RefreshSchedule { asked: Duration::ZERO, ..calm() }).await;
    assert!(is_accepted(&call(&world, &old).await));

    // The token is renewed, and the old one is invalid.
    server.reply(JWKS, Reply::For("fake-token-2".into(), set(&[&old, &new])));
    assert!(is_rejected(&call(&world, &new).await), "401: the old keys stay in use");
    write_whole(&token, "fake-token-2");
    until_accepted(&world, &new).await;
    let last = Fetch { path: JWKS.into(), authorization: Some("Bearer fake-token-2".into()) };
    assert_eq!(server.fetches().last(), Some(&last));

    // With an unusable token file the gateway sends no request.
    let before = server.fetches().len();
    for bad in ["", "two words", "line\nbreak", "ü"] {
        write_whole(&token, bad);
        assert!(is_rejected(&call(&world, &newest).await));
    }
    assert_eq!(server.fetches().len(), before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_untrusted_server_are_ignored() {
    let (server, folder, signer) = (KeyServer::start().await, TempDir::new().unwrap(), Signer::p256("one"));
    server.document(JWKS, set(&[&signer]));
    let ca = folder.path().join("ca.crt");
    write_whole(&ca, &Authority::new().pem());
    let another = Access::new(Some(ca.clone()), None).unwrap();
    for wrong in [another.clone(), Access::default()] {
        let error = described(KeySource::url(url(&server, JWKS), wrong)).await.unwrap_err();
        assert!(error.starts_with(&server.url) && error.contains("certificate"), "{error}");
    }
    let world = launch(KeySource::url(url(&server, JWKS), another), calm()).await;
    until_refreshes(&world, "error", 2.0).await;
    assert!(!world.gateway.is_ready().await);
    assert_eq!(server.fetches(), []);
    // The gateway reads the CA bundle for each fetch.
    fs::copy(server.ca(), &ca).unwrap();
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    assert!(is_accepted(&call(&world, &signer).await));

    let by_name = KeySource::url(
        HttpsUrl::parse(&format!("{}{JWKS}", server.url.replace("127.0.0.1", "localhost"))).unwrap(),
        access(&server, None),
    );
    let error = described(by_name).await.unwrap_err();
    assert!(error.contains("certificate"), "a certificate for another name: {error}");
    world.stop().await;
}

#[test]
fn invalid_key_sources_are_rejected_at_start() {
    for bad in [
        "http://issuer.test",
        "issuer.test",
        "",
        "https://",
        "https://:443/",
        "https:///keys",
        "ftp://issuer.test",
        "https://user@issuer.test/",
        "https://user:password@issuer.test/",
        "https://issuer.test:port/",
        "https://issuer.test:0/",
        "https://issuer.test:65536/",
        "https://issuer.test/#keys",
        "https://issuer test/",
    ] {
        assert!(HttpsUrl::parse(bad).is_err(), "{bad:?}");
        assert!(KeySource::discovery(bad, Access::default()).is_err(), "{bad:?}");
    }
    assert!(KeySource::discovery("https://issuer.test?tenant=1", Access::default()).is_err());
    let hidden = HttpsUrl::parse("HTTPS://Issuer.test:8443/keys?key=fake-secret").unwrap();
    assert_eq!(hidden.to_string(), "https://Issuer.test:8443/keys");
    assert_eq!(HttpsUrl::parse("https://[::1]:8443").unwrap().to_string(), "https://[::1]:8443/");

    let folder = TempDir::new().unwrap();
    let path = |name: &str, text: &str| {
        write_whole(&folder.path().join(name), text);
        folder.path().join(name)
    };
    let missing = || Some(folder.path().join("missing"));
    let access_error = |ca, token| Access::new(ca, token).unwrap_err();
    assert!(matches!(access_error(missing(), None), AccessError::Ca(..)));
    assert!(matches!(access_error(Some(path("empty", "")), None), AccessError::Ca(..)));
    assert!(matches!(access_error(Some(path("text", "no certificate")), None), AccessError::Ca(..)));
    assert!(matches!(access_error(None, missing()), AccessError::Token(..)));
    for bad in ["", " \n", "two words", "a\u{7f}b"] {
        let error = access_error(None, Some(path("token", bad)));
        assert!(error.to_string().ends_with("token: the file has no bearer token"), "{error}");
    }
    let error = KeySource::file(missing().unwrap()).unwrap_err();
    assert!(error.contains("missing: No such file"), "{error}");
    let error = KeySource::file(path("large", &"x".repeat(256 * 1024 + 1))).unwrap_err();
    assert!(error.ends_with("large: larger than 256 KiB"), "{error}");
}
