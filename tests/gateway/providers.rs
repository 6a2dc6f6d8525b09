//! The SDK's real providers against stand-ins of what they ask, STS and EKS Pod Identity's agent: short-lived credentials are
//! renewed while calls go on, and a provider that fails for a while costs nothing until they expire.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing;
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::{AccessKey, Simulator};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::harness::{Answer, get, loopback, metric, request};
use crate::process::{PATIENCE, Program, Scratch, channel, command, simulator_with, until_serving};

/// How long the stand-ins' credentials live: renewed when a quarter is left, and dead at AWS when nothing is.
const LIFE: Duration = Duration::from_secs(20);
const ROLE: &str = "arn:aws:iam::123456789012:role/fake-gateway";
const EXPIRED: &str = "GATEWAY_CREDENTIALS_EXPIRED";
const EXPIRY: &str = "codepipeline_gateway_credentials_expiry_timestamp_seconds";
const LOADS: &str = "codepipeline_gateway_credentials_refreshes_total{result=\"ok\"}";
const FAILED_LOADS: &str = "codepipeline_gateway_credentials_refreshes_total{result=\"error\"}";

/// Whoever gives credentials: each one new, known to the simulator from then on, and expired there when its life is over.
struct Issuer {
    simulator: Arc<Simulator>,
    /// The identity that has to be shown.
    token: Mutex<String>,
    refuses: Mutex<bool>,
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
            refuses: Mutex::new(false),
            keys: Mutex::default(),
            expirations: Mutex::default(),
        })
    }

    fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    fn refuse(&self, refuse: bool) {
        *self.refuses.lock().unwrap() = refuse;
    }

    fn all_expired(&self) -> bool {
        self.keys.lock().unwrap().iter().all(|key| key.expired)
    }

    /// New credentials for who shows this identity.
    fn issue(self: &Arc<Self>, token: Option<&str>) -> Result<Issued, StatusCode> {
        if *self.refuses.lock().unwrap() {
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if token != Some(self.token.lock().unwrap().as_str()) {
            return Err(StatusCode::FORBIDDEN);
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

/// `AssumeRoleWithWebIdentity` (STS's API reference).
async fn sts(State(issuer): State<Arc<Issuer>>, body: String) -> Result<String, StatusCode> {
    let url = format!("http://sts/?{body}").parse::<http::Uri>().unwrap();
    let field = |name: &str| {
        let pairs = url.query().unwrap().split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    assert_eq!(field("Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!(field("RoleArn").unwrap().replace("%3A", ":").replace("%2F", "/"), ROLE);
    let Issued { key, expiry } = issuer.issue(field("WebIdentityToken").as_deref())?;
    Ok(format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>",
        key.access_key_id,
        key.secret_access_key,
        key.session_token.unwrap(),
        humantime::format_rfc3339(expiry)
    ))
}

/// EKS Pod Identity's agent, which speaks the container credentials' protocol (AWS SDKs and Tools Reference Guide,
/// "Container credential provider").
async fn agent(State(issuer): State<Arc<Issuer>>, headers: HeaderMap) -> Result<String, StatusCode> {
    let token = headers.get("authorization").and_then(|token| token.to_str().ok());
    let Issued { key, expiry } = issuer.issue(token)?;
    Ok(serde_json::json!({
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "Token": key.session_token,
        "Expiration": humantime::format_rfc3339(expiry).to_string(),
        "AccountId": "123456789012",
    })
    .to_string())
}

/// A gateway whose credentials come from one of the stand-ins, by an identity in a file.
struct World {
    issuer: Arc<Issuer>,
    files: Scratch,
    channel: Channel,
    admin: SocketAddr,
    _program: Program,
    _stand_in: JoinSet<()>,
}

impl World {
    async fn start(variables: impl FnOnce(SocketAddr, PathBuf) -> Vec<(&'static str, String)>) -> Self {
        let simulator = Arc::new(simulator_with(&[]).await);
        let issuer = Issuer::new(simulator.clone(), "fake-identity-1");
        let files = Scratch::new();
        let token = files.file("token", "fake-identity-1");
        let listener = loopback().await;
        let address = listener.local_addr().unwrap();
        let routes =
            Router::new().route("/", routing::post(sts)).route("/v1/credentials", routing::get(agent));
        let served = axum::serve(listener, routes.with_state(issuer.clone()));
        let mut stand_in = JoinSet::new();
        stand_in.spawn(async move { served.await.unwrap() });
        let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
            .with("AWS_REGION", "eu-west-1")
            .with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url());
        let serve =
            variables(address, token).into_iter().fold(serve, |serve, (name, value)| serve.with(name, value));
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

    /// Why a call failed: `JOB_NOT_FOUND` is AWS's answer to one that is signed well.
    async fn reason(&self) -> String {
        let mut client = ThirdPartyJobServiceClient::new(self.channel.clone());
        Answer::from(client.acknowledge_third_party_job(request("job-0")).await).reason()
    }

    async fn is_ready(&self) -> bool {
        get(self.admin, "/readyz", "*/*").await.0.starts_with("HTTP/1.1 200 ")
    }

    /// The key of the last call that AWS got.
    fn signed_with(&self) -> Option<String> {
        self.issuer.simulator.requests().last()?.access_key_id.clone()
    }

    async fn renewed_while_calls_go_on(self) {
        while self.issuer.count() < 2 {
            assert_eq!(self.reason().await, "JOB_NOT_FOUND");
        }
        // The kubelet brings a new identity; the old one counts no more.
        *self.issuer.token.lock().unwrap() = "fake-identity-2".into();
        self.files.file("token", "fake-identity-2");
        while self.signed_with() != Some(key_id(2)) {
            assert_eq!(self.reason().await, "JOB_NOT_FOUND");
        }
        assert!(metric(self.admin, LOADS).await >= 3.0);
        assert_eq!(metric(self.admin, FAILED_LOADS).await, 0.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let left = metric(self.admin, EXPIRY).await - now;
        assert!(left > 0.0 && left <= LIFE.as_secs_f64(), "{left}");
    }

    async fn fails_for_a_while(self) {
        self.issuer.refuse(true);
        while metric(self.admin, FAILED_LOADS).await < 1.0 {
            assert_eq!(self.reason().await, "JOB_NOT_FOUND", "what is held still lives");
        }
        assert!(self.is_ready().await);
        // Once it is over that is told as what it is, and is never a reason to take the gateway out.
        while !self.issuer.all_expired() {
            assert!(["JOB_NOT_FOUND", EXPIRED].contains(&&*self.reason().await));
        }
        assert_eq!(self.reason().await, EXPIRED);
        assert!(self.is_ready().await);
        self.issuer.refuse(false);
        while self.signed_with() != Some(key_id(1)) {
            assert!(["JOB_NOT_FOUND", EXPIRED].contains(&&*self.reason().await));
        }
        assert_eq!(self.reason().await, "JOB_NOT_FOUND");
    }
}

fn key_id(number: usize) -> String {
    format!("ASIAFAKE{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn web_identity_is_renewed_while_calls_go_on_with_the_token_of_now() {
    let world = World::web_identity().await;
    timeout(2 * PATIENCE, world.renewed_while_calls_go_on()).await.expect("renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_is_renewed_while_calls_go_on_with_the_token_of_now() {
    let world = World::pod_identity().await;
    timeout(2 * PATIENCE, world.renewed_while_calls_go_on()).await.expect("renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_is_seen_and_costs_nothing_until_they_expire() {
    let world = World::pod_identity().await;
    timeout(2 * PATIENCE, world.fails_for_a_while()).await.expect("asked again");
}
