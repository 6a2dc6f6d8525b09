//! No log, response, metric, trace, or output of the command contains a secret.
//!
//! The tests plant secrets, provoke every failure, and search all output.

mod aws;
mod callers;
mod calls;
mod credentials;
mod evidence;
mod operations;
mod search;
mod tokens;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use tonic::Request;

use crate::harness::process::Invocation;
use crate::harness::{PATIENCE, REGION};

const KEY_ID: &str = "AKIAPLANTED7Q2Z8WXY5";
const SECRET_KEY: &str = "Pl4nted/secret+k3y=bR7xV9tQ2mN5";
const SESSION: &str = "S3ssion/planted+t0ken==hJ8kL3wE6yU1";
const NONCE: &str = "planted-nonce \"q\" \\ ü-5dF8gH";
const CLIENT_TOKEN: &str = "planted-client-token \"z\" \\ é-9aG2kM";
const BEARER: &str = "planted.bearer-token_eyJhbGciOi.c3Vi-4sD6";

const COLLECTOR_KEY: &str = "planted-collector-key_8uT2vX7nB3";

const CONTINUATION: &str = "continue-planted-6bH1nQ \"c\" \\ ñ";
const CONFIGURATION_KEY: &str = "key-planted-3xJ7 \"k\" \\ ö";
const CONFIGURATION_VALUE: &str = "value-planted-1pL9 \"v\" \\ ß";
const ARTIFACT_KEY_ID: &str = "ASIAPLANTED4R9T1UVW2";
const ARTIFACT_SECRET_KEY: &str = "Art1fact/s3cret+dN4zK8=vQ7xC";
const ARTIFACT_SESSION: &str = "Sess10n/of+art1facts==mB6yH2rF";

const SECRETS: [(&str, &str); 13] = [
    ("the access key ID", KEY_ID),
    ("the secret access key", SECRET_KEY),
    ("the session token", SESSION),
    ("the nonce", NONCE),
    ("the client token", CLIENT_TOKEN),
    ("the bearer token", BEARER),
    ("the collector's key", COLLECTOR_KEY),
    ("the continuation token", CONTINUATION),
    ("a key of the configuration", CONFIGURATION_KEY),
    ("a value of the configuration", CONFIGURATION_VALUE),
    ("the artifacts' access key ID", ARTIFACT_KEY_ID),
    ("the artifacts' secret access key", ARTIFACT_SECRET_KEY),
    ("the artifacts' session token", ARTIFACT_SESSION),
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
    bearing(AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token })
}

/// A request with the planted bearer token in its metadata. Its deadline is long, because the
/// default deadline is short.
fn bearing<Q>(request: Q) -> Request<Q> {
    let mut request = Request::new(request);
    request.set_timeout(PATIENCE);
    request.metadata_mut().insert("authorization", format!("Bearer {BEARER}").parse().unwrap());
    request.metadata_mut().insert("x-request-id", format!("not an id {BEARER}").parse().unwrap());
    request
}
