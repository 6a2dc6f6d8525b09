//! The SDK's credential providers against stand-ins for STS and the EKS Pod Identity agent.
//!
//! Short-lived credentials are renewed during calls. A provider that fails costs no call until they
//! expire.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use codepipeline_simulator::{AccessKey, Simulator};
use http::{Request, Response};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tonic::body::Body;
use tonic::transport::Channel;

use crate::harness::credential_documents::{container_response, web_identity_response};
use crate::harness::process::serve_command;
use crate::harness::{
    HttpServer, PATIENCE, Program, REGION, Scratch, acknowledge, channel, is_ready, metric, request, respond,
    simulator_with, until, until_serving, within,
};

/// The lifetime of the stand-ins' credentials. The gateway renews them when a quarter is left.
const LIFE: Duration = Duration::from_secs(20);
const ROLE: &str = "arn:aws:iam::123456789012:role/fake-gateway";
const EXPIRED: &str = "GATEWAY_CREDENTIALS_EXPIRED";
const EXPIRY: &str = "codepipeline_gateway_credentials_expiry_timestamp_seconds";
const LOADS: &str = "codepipeline_gateway_credentials_refreshes_total{result=\"ok\"}";
const FAILED_LOADS: &str = "codepipeline_gateway_credentials_refreshes_total{result=\"error\"}";

/// Issues credentials. Each key is new, known to the simulator, and expired there after its
/// lifetime.
struct Issuer {
    simulator: Arc<Simulator>,
    /// The identity that a request must have.
    token: Mutex<String>,
    failing: Mutex<bool>,
    keys: Mutex<Vec<AccessKey>>,
    expirations: Mutex<JoinSet<()>>,
}

struct Issued {
    key: AccessKey,
    expiry: SystemTime,
}

impl Issuer {
    fn new(simulator: Arc<Simulator>, token: &str) -> Arc<Self> {
        simulator.set_keys(Vec::new());
        Arc::new(Self {
            simulator,
            token: Mutex::new(token.into()),
            failing: Mutex::new(false),
            keys: Mutex::default(),
            expirations: Mutex::default(),
        })
    }

    fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    fn all_expired(&self) -> bool {
        self.keys.lock().unwrap().iter().all(|key| key.expired)
    }

    /// New credentials for a request with this identity.
    fn issue(self: &Arc<Self>, token: Option<&str>) -> Result<Issued, u16> {
        if *self.failing.lock().unwrap() {
            return Err(500);
        }
        if token != Some(self.token.lock().unwrap().as_str()) {
            return Err(403);
        }
        let number = self.count();
        let key = AccessKey::new(key_id(number), format!("fake-secret-{number}"))
            .with_session_token(format!("fake-session-{number}"));
        self.change_keys(|keys| keys.push(key.clone()));
        let issuer = self.clone();
        let _expiring: AbortHandle = self.expirations.lock().unwrap().spawn(async move {
            sleep(LIFE).await;
            issuer.change_keys(|keys| keys[number] = keys[number].clone().expired());
        });
        Ok(Issued { key, expiry: SystemTime::now() + LIFE })
    }

    fn change_keys(&self, change: impl FnOnce(&mut Vec<AccessKey>)) {
        let mut keys = self.keys.lock().unwrap();
        change(&mut keys);
        self.simulator.set_keys(keys.clone());
    }
}

/// STS: `AssumeRoleWithWebIdentity`.
fn sts(issuer: &Arc<Issuer>, body: &Bytes) -> Result<String, u16> {
    let body = String::from_utf8_lossy(body);
    let field = |name: &str| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    assert_eq!(field("Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!(field("RoleArn").unwrap().replace("%3A", ":").replace("%2F", "/"), ROLE);
    let Issued { key, expiry } = issuer.issue(field("WebIdentityToken").as_deref())?;
    Ok(document(web_identity_response, key, expiry))
}

/// The EKS Pod Identity agent, which has the protocol of container credentials.
fn agent(issuer: &Arc<Issuer>, token: Option<&str>) -> Result<String, u16> {
    let Issued { key, expiry } = issuer.issue(token)?;
    Ok(document(container_response, key, expiry))
}

fn document(format: fn(&str, &str, &str, &str) -> String, key: AccessKey, expiry: SystemTime) -> String {
    let session = key.session_token.unwrap();
    let expiration = humantime::format_rfc3339(expiry).to_string();
    format(&key.access_key_id, &key.secret_access_key, &session, &expiration)
}

fn reply(issuer: &Arc<Issuer>, request: &Request<Bytes>) -> Response<Body> {
    let token = request.headers().get("authorization").and_then(|token| token.to_str().ok());
    let body = match (request.method().as_str(), request.uri().path()) {
        ("POST", "/") => sts(issuer, request.body()),
        ("GET", "/v1/credentials") => agent(issuer, token),
        other => panic!("{other:?}"),
    };
    body.map_or_else(|status| respond(status, ""), |body| respond(200, body))
}

/// A gateway with credentials from one of the stand-ins, by an identity in a file.
struct World {
    issuer: Arc<Issuer>,
    files: Scratch,
    channel: Channel,
    admin: SocketAddr,
    _program: Program,
    _stand_in: HttpServer,
}

impl World {
    async fn start(variables: impl FnOnce(SocketAddr, PathBuf) -> Vec<(&'static str, String)>) -> Self {
        let simulator = Arc::new(simulator_with(&[]).await);
        let issuer = Issuer::new(simulator.clone(), "fake-identity-1");
        let files = Scratch::new();
        let token = files.file("token", "fake-identity-1");
        let shared = issuer.clone();
        let stand_in = HttpServer::start(move |request| std::future::ready(reply(&shared, &request))).await;
        let serve = serve_command(&[]).with("AWS_REGION", REGION).for_simulator(&simulator);
        let variables = variables(stand_in.address, token);
        let serve = variables.into_iter().fold(serve, |serve, (name, value)| serve.with(name, value));
        let mut program = serve.start();
        let (grpc, admin) = program.addresses().await;
        until_serving(grpc).await;
        Self { issuer, files, channel: channel(grpc), admin, _program: program, _stand_in: stand_in }
    }

    async fn web_identity() -> Self {
        Self::start(|sts, token| {
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
                ("AWS_ROLE_ARN", ROLE.into()),
                ("AWS_ENDPOINT_URL_STS", format!("http://{sts}")),
            ]
        })
        .await
    }

    async fn pod_identity() -> Self {
        Self::start(|agent, token| {
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{agent}/v1/credentials")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.display().to_string()),
            ]
        })
        .await
    }

    /// The reason of a failed call. `JOB_NOT_FOUND` means that AWS accepted the signature.
    async fn reason(&self) -> String {
        acknowledge(self.channel.clone(), request("job-0")).await.reason()
    }

    /// Makes calls until the condition holds. Each call must fail with one of these reasons.
    async fn call_until(&self, what: &str, reasons: &[&str], condition: impl AsyncFn() -> bool) {
        let call = async || {
            let met = condition().await;
            if !met {
                let reason = self.reason().await;
                assert!(reasons.contains(&&*reason), "{what}: {reason}");
            }
            met
        };
        until(what, 2 * PATIENCE, call, |met| *met).await;
    }

    /// The key ID of the last call at AWS.
    fn signed_with(&self) -> Option<String> {
        self.issuer.simulator.requests().last()?.access_key_id.clone()
    }

    async fn assert_renewed_during_calls(self) {
        let ok = ["JOB_NOT_FOUND"];
        self.call_until("second credentials", &ok, async || self.issuer.count() >= 2).await;
        // The kubelet writes a new identity, and the old one is invalid.
        *self.issuer.token.lock().unwrap() = "fake-identity-2".into();
        self.files.file("token", "fake-identity-2");
        self.call_until("the third key", &ok, async || self.signed_with() == Some(key_id(2))).await;
        assert!(metric(self.admin, LOADS).await >= 3.0);
        assert_eq!(metric(self.admin, FAILED_LOADS).await, 0.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let left = metric(self.admin, EXPIRY).await - now;
        assert!(left > 0.0 && left <= LIFE.as_secs_f64(), "{left}");
    }

    async fn assert_failures_cost_nothing_until_expiry(self) {
        let (ok, expiring) = (["JOB_NOT_FOUND"], ["JOB_NOT_FOUND", EXPIRED]);
        self.issuer.set_failing(true);
        let failed = async || metric(self.admin, FAILED_LOADS).await >= 1.0;
        self.call_until("a failed load", &ok, failed).await;
        assert!(is_ready(self.admin).await);
        // Expired credentials are reported as such, and the gateway stays ready.
        self.call_until("expired keys", &expiring, async || self.issuer.all_expired()).await;
        assert_eq!(self.reason().await, EXPIRED);
        assert!(is_ready(self.admin).await);
        self.issuer.set_failing(false);
        self.call_until("a new key", &expiring, async || self.signed_with() == Some(key_id(1))).await;
        assert_eq!(self.reason().await, "JOB_NOT_FOUND");
    }
}

fn key_id(number: usize) -> String {
    format!("ASIAFAKE{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn web_identity_is_renewed_during_calls_with_the_current_token() {
    let world = World::web_identity().await;
    within("renewed credentials", 2 * PATIENCE, world.assert_renewed_during_calls()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_is_renewed_during_calls_with_the_current_token() {
    let world = World::pod_identity().await;
    within("renewed credentials", 2 * PATIENCE, world.assert_renewed_during_calls()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_costs_nothing_until_the_expiry() {
    let world = World::pod_identity().await;
    within("new credentials", 2 * PATIENCE, world.assert_failures_cost_nothing_until_expiry()).await;
}
