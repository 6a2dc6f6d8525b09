//! OpenID Connect discovery: the issuer's document names the URL of the keys.

use std::fs;
use std::path::PathBuf;

use codepipeline_gateway::auth::{Access, KeySource};
use serde_json::json;
use tempfile::TempDir;

use super::{WELL_KNOWN, access, call, calm, described, is_accepted, ready};
use crate::harness::key_server::{Fetch, KeyServer};
use crate::harness::scratch::write_whole;
use crate::harness::tokens::{Signer, set};

fn discovery(server: &KeyServer, issuer: &str, token: Option<PathBuf>) -> KeySource {
    KeySource::discovery(issuer, access(server, token)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_discovery_document_names_the_keys() {
    let (server, signer) = (KeyServer::start().await, Signer::p256("one"));
    server.document("/keys", set(&[&signer]));
    let keys = format!("{}/keys?tenant=1", server.url);
    for (issuer, path) in [
        (server.url.clone(), WELL_KNOWN.to_owned()),
        (format!("{}/", server.url), WELL_KNOWN.to_owned()),
        (format!("{}/tenant", server.url), format!("/tenant{WELL_KNOWN}")),
        (format!("{}/tenant/", server.url), format!("/tenant{WELL_KNOWN}")),
    ] {
        server.document(&path, json!({"issuer": issuer, "jwks_uri": keys, "more": 1}).to_string());
        let found = described(discovery(&server, &issuer, None)).await.unwrap();
        assert_eq!(found, format!("1 from {}{path}", server.url));
    }
    let document = json!({"issuer": server.url, "jwks_uri": keys});
    server.document(WELL_KNOWN, document.to_string());
    let world = ready(discovery(&server, &server.url, None), calm()).await;
    // The issuer of the tokens isn't the server. The source of the keys doesn't depend on it.
    assert!(is_accepted(&call(&world, &signer).await));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inconsistent_discovery_document_is_rejected() {
    let server = KeyServer::start().await;
    server.document("/keys", set(&[&Signer::p256("one")]));
    let keys = format!("{}/keys", server.url);
    let another = "the document's `issuer` isn't exactly the configured one";
    let rows = [
        (json!({"issuer": "https://evil.test", "jwks_uri": keys}), another),
        (json!({"issuer": format!("{}/", server.url), "jwks_uri": keys}), another),
        (json!({"issuer": server.url.to_uppercase(), "jwks_uri": keys}), another),
        (json!({"jwks_uri": keys}), "the document has no issuer or no jwks_uri"),
        (json!({"issuer": server.url}), "the document has no issuer or no jwks_uri"),
        (json!({"issuer": [server.url], "jwks_uri": keys}), "the document has no issuer or no jwks_uri"),
        (json!("x"), "the document has no issuer or no jwks_uri"),
        (
            json!({"issuer": server.url, "jwks_uri": keys.replace("https", "http")}),
            "its jwks_uri must be an https URL",
        ),
        (json!({"issuer": server.url, "jwks_uri": "file:///etc/keys"}), "its jwks_uri must be a URL"),
        (json!({"issuer": server.url, "jwks_uri": "/keys"}), "its jwks_uri must be an http or https URL"),
    ];
    for (document, why) in rows {
        server.document(WELL_KNOWN, document.to_string());
        let error = described(discovery(&server, &server.url, None)).await.unwrap_err();
        assert_eq!(error, format!("{}{WELL_KNOWN}: {why}", server.url), "{document}");
    }
    assert!(server.fetches().iter().all(|fetch| fetch.path == WELL_KNOWN), "no other request");
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_does_not_send_the_token_to_another_server() {
    let (server, elsewhere, folder) =
        (KeyServer::start().await, KeyServer::start().await, TempDir::new().unwrap());
    let (token, roots) = (folder.path().join("token"), folder.path().join("roots"));
    write_whole(&token, "fake-token");
    let read = |server: &KeyServer| fs::read_to_string(server.ca()).unwrap();
    write_whole(&roots, &format!("{}{}", read(&server), read(&elsewhere)));
    let access = Access::new(Some(roots), Some(token)).unwrap();
    for host in [&server, &elsewhere] {
        host.document("/keys", set(&[&Signer::p256("one")]));
        let document = json!({"issuer": server.url, "jwks_uri": format!("{}/keys", host.url)});
        server.document(WELL_KNOWN, document.to_string());
        described(KeySource::discovery(&server.url, access.clone()).unwrap()).await.unwrap();
    }
    let bearer = Some("Bearer fake-token".to_owned());
    let with = |path: &str, authorization: &Option<String>| Fetch {
        path: path.into(),
        authorization: authorization.clone(),
    };
    assert_eq!(
        server.fetches(),
        [with(WELL_KNOWN, &bearer), with("/keys", &bearer), with(WELL_KNOWN, &bearer)]
    );
    assert_eq!(elsewhere.fetches(), [with("/keys", &None)], "the same address, but another port");
}
