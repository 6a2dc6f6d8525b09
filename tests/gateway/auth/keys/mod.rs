//! The keys for bearer tokens: where they come from, when they are refreshed, and calls without
//! them.

mod availability;
mod discovery;
mod documents;
mod refresh;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use codepipeline_gateway::auth::{Access, Auth, HttpsUrl, KeySource, RefreshSchedule};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::jwt::auth;
use crate::harness::key_server::KeyServer;
use crate::harness::tokens::{Signer, good, with_token};
use crate::harness::{Acknowledged, PATIENCE, World, settings, until};

/// An allowlist for all subjects of these tests.
const ANY_CALLER: &[&str] = &["sub:system:*"];

/// Longer than any test. An action with this interval doesn't happen.
const NEVER: Duration = Duration::from_secs(24 * 3600);

const JWKS: &str = "/openid/v1/jwks";
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A schedule without refreshes. Only retries happen.
fn calm() -> RefreshSchedule {
    let soon = Duration::from_millis(20);
    RefreshSchedule {
        file: NEVER,
        url: NEVER,
        first_retry: soon,
        last_retry: soon,
        asked: NEVER,
        stale: NEVER,
    }
}

fn url(server: &KeyServer, path: &str) -> HttpsUrl {
    HttpsUrl::parse(&format!("{}{path}", server.url)).unwrap()
}

fn access(server: &KeyServer, token: Option<PathBuf>) -> Access {
    Access::new(Some(server.ca()), token).unwrap()
}

fn by_url(server: &KeyServer) -> KeySource {
    KeySource::url(url(server, JWKS), access(server, None))
}

/// A world that might not be ready.
async fn launch(source: KeySource, schedule: RefreshSchedule) -> World {
    let mut settings = settings();
    settings.auth = auth(source, ANY_CALLER, schedule);
    World::launch(settings).await
}

/// A world that is ready.
async fn ready(source: KeySource, schedule: RefreshSchedule) -> World {
    let world = launch(source, schedule).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    world
}

async fn call(world: &World, signer: &Signer) -> Acknowledged {
    world.gateway.send(with_token("job", &signer.token(&good()))).await
}

/// Whether the gateway accepted the token: AWS then rejects the job.
fn is_accepted(answer: &Acknowledged) -> bool {
    answer.code() == Code::NotFound
}

fn is_rejected(answer: &Acknowledged) -> bool {
    answer.code() == Code::Unauthenticated && answer.reason() == "CALLER_UNAUTHENTICATED"
}

/// The description of the keys, or the reason why there are none.
async fn described(source: KeySource) -> Result<String, String> {
    let Auth::Jwt(jwt) = auth(source, ANY_CALLER, calm()) else { unreachable!() };
    jwt.describe_keys().await
}

async fn refreshes(world: &World, result: &str) -> f64 {
    world
        .gateway
        .metric(&format!("codepipeline_gateway_jwt_key_refreshes_total{{result=\"{result}\"}}"))
        .await
}

/// Waits until at least this many refreshes had this result.
async fn until_refreshes(world: &World, result: &str, count: f64) {
    let what = format!("refreshes with {result:?}");
    until(&what, PATIENCE, async || refreshes(world, result).await, |seen| *seen >= count).await;
}

/// Waits until the gateway accepts this signer's tokens.
async fn until_accepted(world: &World, signer: &Signer) {
    until("an accepted token", PATIENCE, async || call(world, signer).await, is_accepted).await;
}
