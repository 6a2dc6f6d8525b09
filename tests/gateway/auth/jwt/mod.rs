//! Bearer tokens with real signatures. Each token has one defect.

mod claims;
mod headers;
mod signatures;
mod subjects;

use std::fmt::Debug;
use std::fs;
use std::sync::Arc;

use codepipeline_gateway::auth::{AllowList, Auth, Jwt, KeySource, RefreshSchedule};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use crate::harness::tokens::{AUDIENCE, ISSUER, set_of};
use crate::harness::{Answer, World};

/// Authentication with keys from this source.
pub fn auth(source: KeySource, allow: &[&str], schedule: RefreshSchedule) -> Auth {
    let allow = AllowList::new(allow.iter().map(|rule| rule.parse().unwrap()).collect()).unwrap();
    Auth::Jwt(Arc::new(Jwt::new(ISSUER.into(), AUDIENCE, source, allow, schedule)))
}

/// A world with these keys, and the folder with their file.
async fn world(keys: &[Value], allow: &[&str]) -> (World, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, set_of(keys)).unwrap();
    let auth = auth(KeySource::file(path).unwrap(), allow, RefreshSchedule::default());
    (World::changed(|settings| settings.auth = auth).await, folder)
}

/// An allowlist for all subjects of these tests.
const ANY_CALLER: &str = "sub:system:*";

/// The part of each message that names the defect.
const MISSING: &str = "has no bearer token";
const MALFORMED: &str = "is malformed";
const ALGORITHM: &str = "has an unsupported algorithm";
const SIGNATURE: &str = "No key of the gateway verifies";
const EXPIRED: &str = "has expired";
const NOT_YET_VALID: &str = "isn't valid yet";
const OTHER_ISSUER: &str = "from another issuer";
const OTHER_AUDIENCE: &str = "for another audience";

/// Asserts that the gateway rejected the token with this sentence.
fn assert_rejected<R: Debug>(answer: &Answer<R>, sentence: &str, what: &str) {
    let seen = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
    let expected = (Code::Unauthenticated, "CALLER_UNAUTHENTICATED".to_owned(), "not_sent".to_owned(), 0);
    assert_eq!(seen, expected, "{what}: {answer:?}");
    assert!(answer.status().message().contains(sentence), "{what}: {}", answer.status().message());
    assert!(answer.details().retry_info().is_none() && answer.details().request_info().is_some(), "{what}");
}
