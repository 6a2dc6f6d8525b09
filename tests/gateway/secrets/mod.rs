//! No log, response, metric, trace, or output of the command contains a secret.
//!
//! The tests plant secrets, provoke every failure, and search all output.

mod aws;
mod callers;
mod calls;
mod credentials;
mod evidence;
mod search;
mod tokens;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use tonic::Request;

use crate::harness::REGION;
use crate::harness::process::Invocation;

const KEY_ID: &str = "AKIAPLANTED7Q2Z8WXY5";
const SECRET_KEY: &str = "Pl4nted/secret+k3y=bR7xV9tQ2mN5";
const SESSION: &str = "S3ssion/planted+t0ken==hJ8kL3wE6yU1";
const NONCE: &str = "planted-nonce \"q\" \\ ü-5dF8gH";
const CLIENT_TOKEN: &str = "planted-client-token \"z\" \\ é-9aG2kM";
const BEARER: &str = "planted.bearer-token_eyJhbGciOi.c3Vi-4sD6";

const COLLECTOR_KEY: &str = "planted-collector-key_8uT2vX7nB3";

const SECRETS: [(&str, &str); 7] = [
    ("the access key ID", KEY_ID),
    ("the secret access key", SECRET_KEY),
    ("the session token", SESSION),
    ("the nonce", NONCE),
    ("the client token", CLIENT_TOKEN),
    ("the bearer token", BEARER),
    ("the collector's key", COLLECTOR_KEY),
];

fn with_planted_keys(command: Invocation) -> Invocation {
    command.with_all(&[
        ("RUST_LOG", "trace"),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_SESSION_TOKEN", SESSION),
    ])
}

/// A request with the planted nonce, client token, and bearer token.
fn planted(job_id: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    let (job_id, nonce, client_token) = (job_id.into(), NONCE.into(), CLIENT_TOKEN.into());
    let mut request = Request::new(AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token });
    request.metadata_mut().insert("authorization", format!("Bearer {BEARER}").parse().unwrap());
    request.metadata_mut().insert("x-request-id", format!("not an id {BEARER}").parse().unwrap());
    request
}
