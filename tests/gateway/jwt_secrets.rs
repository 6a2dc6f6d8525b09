//! No bearer token shows anywhere, neither a caller's nor the gateway's own; and what does show of a caller is its name.

use codepipeline_simulator::Simulator;
use serde_json::json;
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;

use crate::key_server::{Answer, KeyServer};
use crate::process::{Program, Scratch, command, send, simulator_with, until_health, watch_health};
use crate::secrets::{BEARER, Evidence, planted};
use crate::tokens::{AUDIENCE, ISSUER, Signer, claims, good, hmac_sha256, now, set, signed_by};

const JWKS: &str = "/keys";

#[tokio::test(flavor = "multi_thread")]
async fn no_token_shows_in_text_logs_or_answers() {
    no_token_shows("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_shows_in_json_logs_or_answers() {
    no_token_shows("json").await;
}

async fn no_token_shows(log_format: &str) {
    let (server, files, simulator) = (KeyServer::start().await, Scratch::new(), simulator_with(&[]).await);
    let signer = Signer::p256("one");
    let mut evidence = Evidence::default();

    // Every way in which fetching the keys fails, with the gateway's own token in whatever is answered.
    server.answer(JWKS, Answer::Status(500, format!("no: {BEARER}")));
    let mut program = start(log_format, &server, &files, &simulator);
    let address = program.address().await;
    let mut watch = watch_health(address).await;
    server.until_asked(1).await;
    evidence.answer("a call without keys", &send(address, bearing("job", &signer.token(&good()))).await);
    server.document(JWKS, format!(r#"{{"keys":[{{"kty":"{BEARER}","kid":"{BEARER}"}}]}}"#));
    server.until_asked(2).await;
    server.answer(JWKS, Answer::Redirect(format!("{}/{BEARER}", server.url)));
    server.until_asked(3).await;
    server.answer(JWKS, Answer::For(BEARER.into(), set(&[&signer])));
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
        ("one that is too long", vec![format!("Bearer {}.b.c", BEARER.replace('.', "-").repeat(250))]),
    ] {
        evidence.answer(what, &send(address, authorized(what, &values)).await);
    }
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for shown in [
        "CALLER_UNAUTHENTICATED",
        "CALLER_NOT_ALLOWED",
        "GATEWAY_KEYS_UNAVAILABLE",
        "can't load the issuer's keys",
        "using the issuer's keys",
        "refused a token",
        "has expired",
        "plaintext: nonces, client tokens and bearer tokens",
        // Who called, the one who may not too.
        "sub:system:serviceaccount:builds:worker",
        "sub:system:serviceaccount:other:worker",
    ] {
        assert!(ended.err.contains(shown), "no {shown:?} in the log: the test can't fail where it should");
    }
    assert!(ended.err.lines().all(|line| !line.starts_with("a line of somebody else")), "a name is one line");
    evidence.add("the log", ended.err);
    evidence.add("standard output", ended.out);
    evidence.assert_no_secret();
}

fn start(log_format: &str, server: &KeyServer, files: &Scratch, simulator: &Simulator) -> Program {
    let serve = ["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--shutdown-delay=0s"];
    command(&serve)
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
            with(json!({"sub": "system:serviceaccount:builds:a\na line of somebody else"})),
        ),
        ("a name that isn't allowed", with(json!({"sub": "system:serviceaccount:other:worker"}))),
        ("an expired one", with(json!({"exp": now() - 3600}))),
        ("one for another audience", with(json!({"aud": "others"}))),
        ("one of another issuer", with(json!({"iss": "https://evil.test"}))),
        ("a claim of a wrong type", with(json!({"sub": [1]}))),
        ("an unknown key", Signer::p256("two").token(&good())),
        ("a forged signature", Signer::p256("one").token(&good())),
        ("an algorithm from elsewhere", signer.sign(&header("PLANTED", "one"), &good())),
        ("an HMAC", signed_by(&header("HS256", "one"), &good(), |message| hmac_sha256(b"secret", message))),
        ("a critical extension", signer.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["x"]}), &good())),
        ("claims that are no JSON", signer.token_of(b"{\"sub\":")),
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
