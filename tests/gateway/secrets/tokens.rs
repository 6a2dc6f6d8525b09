//! Bearer tokens: neither the callers' nor the gateway's own appear anywhere. The name of a caller
//! does.

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_simulator::Simulator;
use serde_json::json;
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;

use super::evidence::Evidence;
use super::{BEARER, planted};
use crate::harness::key_server::{KeyServer, Reply};
use crate::harness::process::{send, serve_command};
use crate::harness::tokens::{AUDIENCE, ISSUER, Signer, claims, good, hmac_sha256, now, set, signed_by};
use crate::harness::{Program, Scratch, channel, simulator_with, until_health, watch_health};

const JWKS: &str = "/keys";

#[tokio::test(flavor = "multi_thread")]
async fn no_token_leaks_into_text_logs_or_responses() {
    assert_no_leak("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_leaks_into_json_logs_or_responses() {
    assert_no_leak("json").await;
}

/// Texts in the log that prove that the failures occurred.
const LOGGED: [&str; 10] = [
    "CALLER_UNAUTHENTICATED",
    "CALLER_NOT_ALLOWED",
    "GATEWAY_KEYS_UNAVAILABLE",
    "can't load the verification keys",
    "loaded the verification keys",
    "rejected a token",
    "has expired",
    "TLS is off: nonces, client tokens and bearer tokens",
    // The callers, the rejected one included.
    "sub:system:serviceaccount:builds:worker",
    "sub:system:serviceaccount:other:worker",
];

async fn assert_no_leak(log_format: &str) {
    let (server, files, simulator) = (KeyServer::start().await, Scratch::new(), simulator_with(&[]).await);
    let signer = Signer::p256("one");
    let mut evidence = Evidence::default();

    // Every failure of the key server, with the gateway's own token in its responses.
    server.reply(JWKS, Reply::Status(500, format!("no: {BEARER}")));
    let mut program = start(log_format, &server, &files, &simulator);
    let address = program.address().await;
    let mut watch = watch_health(channel(address)).await.unwrap();
    server.wait_for_fetches(1).await;
    evidence.answer("a call without keys", &send(address, bearing("job", &signer.token(&good()))).await);
    server.document(JWKS, format!(r#"{{"keys":[{{"kty":"{BEARER}","kid":"{BEARER}"}}]}}"#));
    server.wait_for_fetches(2).await;
    server.reply(JWKS, Reply::Redirect(format!("{}/{BEARER}", server.url)));
    server.wait_for_fetches(3).await;
    server.reply(JWKS, Reply::For(BEARER.into(), set(&[&signer])));
    until_health(&mut watch, ServingStatus::Serving).await;

    for (what, token) in tokens(&signer) {
        evidence.also_secret(what, &token);
        evidence.answer(what, &send(address, bearing(what, &token)).await);
    }
    for (what, values) in [
        ("the planted token", vec![format!("Bearer {BEARER}")]),
        ("another scheme", vec![format!("Basic {BEARER}")]),
        ("no scheme", vec![BEARER.to_owned()]),
        ("two headers", vec![format!("Bearer {BEARER}"), format!("Bearer {BEARER}")]),
        ("a token that is too long", vec![format!("Bearer {}.b.c", BEARER.replace('.', "-").repeat(250))]),
    ] {
        evidence.answer(what, &send(address, authorized(what, &values)).await);
    }
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for shown in LOGGED {
        assert!(ended.err.contains(shown), "the log doesn't contain {shown:?}");
    }
    assert!(
        ended.err.lines().all(|line| !line.starts_with("a line of another event")),
        "a name stays on one line"
    );
    evidence.add("the log", ended.err);
    evidence.add("standard output", ended.out);
    evidence.assert_no_secret();
}

fn start(log_format: &str, server: &KeyServer, files: &Scratch, simulator: &Simulator) -> Program {
    serve_command(&["--shutdown-delay=0s"])
        .with_keys()
        .with_all(&[
            ("RUST_LOG", "trace"),
            ("GATEWAY_LOG_LEVEL", "trace"),
            ("GATEWAY_LOG_FORMAT", log_format),
            ("AWS_ENDPOINT_URL_CODEPIPELINE", &simulator.endpoint_url()),
            ("GATEWAY_AUTH", "jwt"),
            ("GATEWAY_JWT_ISSUER", ISSUER),
            ("GATEWAY_JWT_AUDIENCE", AUDIENCE),
            ("GATEWAY_ALLOW", "sub:system:serviceaccount:builds:*"),
            ("GATEWAY_JWT_JWKS", &format!("{}{JWKS}?key={BEARER}", server.url)),
        ])
        .with("GATEWAY_JWT_CA", server.ca())
        .with("GATEWAY_JWT_JWKS_TOKEN_FILE", files.file("token", BEARER))
        .start()
}

fn tokens(signer: &Signer) -> Vec<(&'static str, String)> {
    let with = |changed| signer.token(&claims(&changed));
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    vec![
        ("a good token", signer.token(&good())),
        (
            "a name with a line break",
            with(json!({"sub": "system:serviceaccount:builds:a\na line of another event"})),
        ),
        ("a name outside the allowlist", with(json!({"sub": "system:serviceaccount:other:worker"}))),
        ("an expired token", with(json!({"exp": now() - 3600}))),
        ("a token for another audience", with(json!({"aud": "others"}))),
        ("a token of another issuer", with(json!({"iss": "https://evil.test"}))),
        ("a claim of a wrong type", with(json!({"sub": [1]}))),
        ("an unknown key", Signer::p256("two").token(&good())),
        ("a forged signature", Signer::p256("one").token(&good())),
        ("an unknown algorithm", signer.sign(&header("PLANTED", "one"), &good())),
        ("an HMAC", signed_by(&header("HS256", "one"), &good(), |message| hmac_sha256(b"secret", message))),
        ("a critical extension", signer.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"]}), &good())),
        ("claims that aren't JSON", signer.token_of(b"{\"sub\":")),
    ]
}

fn bearing(job: &str, token: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    authorized(job, &[format!("Bearer {token}")])
}

/// The planted nonce and client token with these `authorization` headers.
fn authorized(job: &str, values: &[String]) -> Request<AcknowledgeThirdPartyJobRequest> {
    let mut request = planted(job);
    request.metadata_mut().remove("authorization");
    for value in values {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    request
}
