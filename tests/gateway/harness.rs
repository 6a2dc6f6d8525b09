//! A gateway and a simulator on loopback, real from socket to socket, and what a test does with them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::call::Deadlines;
use codepipeline_gateway::codepipeline::{Aws, FakeKeys, Limits, Source};
use codepipeline_gateway::gateway::{Listeners, run};
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::proto::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};
use codepipeline_gateway::server::{Settings, Shutdown};
use codepipeline_gateway::telemetry::Traces;
use codepipeline_simulator::{AccessKey, Config, Job, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::{ErrorDetails, StatusExt};

/// The secrets of every job. Long enough that finding one anywhere is no accident.
pub const NONCE: &str = "nonce-7f3c1-do-not-show";
pub const TOKEN: &str = "token-91bd2-do-not-show";
pub const REGION: &str = "eu-west-1";

/// Settings for tests: short where a test has to wait, long where it must not.
pub fn settings() -> Settings {
    Settings {
        tls: None,
        auth: Auth::None,
        deadlines: Deadlines { default: Duration::from_secs(20), max: Duration::from_secs(30) },
        max_in_flight: 64,
        max_connections: 100,
        max_connection_age: Duration::from_secs(300),
        shutdown_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(10),
        reflection: true,
        aws: Limits {
            attempt_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            max_attempts: 3,
        },
        action_types: codepipeline_gateway::operations::ActionTypes::default(),
        traces: Traces::default(),
    }
}

pub fn fake_keys() -> FakeKeys {
    let AccessKey { access_key_id, secret_access_key, session_token, expired: _ } = AccessKey::fake();
    FakeKeys { access_key_id, secret_access_key, session_token }
}

/// A gateway with a simulator behind it.
pub struct World {
    pub simulator: Simulator,
    pub gateway: Gateway,
}

impl World {
    pub async fn start() -> Self {
        Self::with(settings(), Some(fake_keys())).await
    }

    pub async fn with(settings: Settings, keys: Option<FakeKeys>) -> Self {
        let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
        let gateway = Gateway::start(simulator.endpoint_url(), settings, keys).await;
        Self { simulator, gateway }
    }

    /// One that isn't ready yet, and perhaps never will be.
    pub async fn launch(settings: Settings) -> Self {
        let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
        let gateway = Gateway::launch(simulator.endpoint_url(), settings, Some(fake_keys())).await;
        Self { simulator, gateway }
    }

    /// Adds a job with the usual secrets, as CodePipeline hands it to a worker.
    pub fn add(&self, id: &str) -> Job {
        let job = Job::new(id, NONCE, TOKEN);
        self.simulator.add_job(job.clone());
        job
    }

    /// Acknowledges a job with the usual secrets.
    pub async fn acknowledge(&self, id: &str) -> Answer {
        self.gateway.send(request(id)).await
    }

    /// How many requests for this job reached the simulator.
    pub fn requests_for(&self, id: &str) -> usize {
        self.simulator.requests().iter().filter(|request| request.job_id.as_deref() == Some(id)).count()
    }

    pub async fn stop(self) {
        self.gateway.stop().await.unwrap();
        self.simulator.stop().await;
    }
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub channel: Channel,
    pub shutdown: Shutdown,
    served: JoinHandle<io::Result<()>>,
    /// The same socket as the gateway's.
    admin_socket: std::net::TcpListener,
}

impl Gateway {
    /// Starts one and waits until it is healthy, if it has keys to become so.
    pub async fn start(endpoint_url: String, settings: Settings, keys: Option<FakeKeys>) -> Self {
        let (healthy, plaintext) = (keys.is_some(), settings.tls.is_none());
        let gateway = Self::launch(endpoint_url, settings, keys).await;
        if healthy && plaintext {
            gateway.wait_for_health(ServingStatus::Serving).await;
        } else if healthy {
            while !gateway.is_ready().await {}
        }
        gateway
    }

    /// Starts one and waits for nothing.
    pub async fn launch(endpoint_url: String, settings: Settings, keys: Option<FakeKeys>) -> Self {
        let source = Source::Fixed { region: REGION.into(), endpoint_url, keys };
        let aws = Aws::load(source).await.unwrap();
        let (admin, admin_socket) = twice(loopback().await);
        let listeners = Listeners { grpc: loopback().await, admin };
        let address = listeners.grpc.local_addr().unwrap();
        let admin = listeners.admin.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let served = tokio::spawn(run(listeners, aws, settings, shutdown.clone()));
        Self { address, admin, channel: channel(address), shutdown, served, admin_socket }
    }

    /// As if the operating system had taken it away: `accept` fails from now on.
    pub fn lose_the_admin_port(&self) {
        socket2::SockRef::from(&self.admin_socket).shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// A connection of its own, once it is used.
    pub fn new_channel(&self) -> Channel {
        channel(self.address)
    }

    /// Waits on a health watch, the way a client library does.
    pub async fn wait_for_health(&self, wanted: ServingStatus) {
        let request = HealthCheckRequest { service: String::new() };
        let mut watch = HealthClient::new(self.channel.clone()).watch(request).await.unwrap().into_inner();
        while let Some(status) = watch.message().await.unwrap() {
            if status.status() == wanted {
                return;
            }
        }
        panic!("the health watch ended before {wanted:?}");
    }

    /// One GET of the plain HTTP side.
    pub async fn get(&self, path: &str, accept: &str) -> (String, String) {
        get(self.admin, path, accept).await
    }

    /// The value of one series of `/metrics`; a series that isn't there fails the test.
    pub async fn metric(&self, series: &str) -> f64 {
        metric(self.admin, series).await
    }

    /// What `/readyz` says.
    pub async fn is_ready(&self) -> bool {
        self.get("/readyz", "*/*").await.0.starts_with("HTTP/1.1 200 ")
    }

    pub async fn send(&self, request: impl tonic::IntoRequest<AcknowledgeThirdPartyJobRequest>) -> Answer {
        ThirdPartyJobServiceClient::new(self.channel.clone())
            .acknowledge_third_party_job(request)
            .await
            .into()
    }

    pub async fn stop(self) -> io::Result<()> {
        self.shutdown.stop();
        self.ended().await
    }

    /// Waits until it has ended of its own accord, after somebody else said the word.
    pub async fn ended(self) -> io::Result<()> {
        drop(self.channel);
        self.served.await.unwrap()
    }
}

fn twice(listener: TcpListener) -> (TcpListener, std::net::TcpListener) {
    let one = listener.into_std().unwrap();
    let other = one.try_clone().unwrap();
    (TcpListener::from_std(one).unwrap(), other)
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// One GET of a gateway's plain HTTP side, as a probe makes it: the head and the body.
pub async fn get(admin: SocketAddr, path: &str, accept: &str) -> (String, String) {
    let mut socket = TcpStream::connect(admin).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: probe\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(Duration::from_secs(60), socket.read_to_string(&mut answer)).await;
    read.expect("an answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The value of one series of `/metrics`; a series that isn't there fails the test.
pub async fn metric(admin: SocketAddr, series: &str) -> f64 {
    let page = get(admin, "/metrics", "text/plain").await.1;
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

/// A request for a job with the usual secrets.
pub fn request(id: &str) -> AcknowledgeThirdPartyJobRequest {
    AcknowledgeThirdPartyJobRequest { job_id: id.into(), nonce: NONCE.into(), client_token: TOKEN.into() }
}

/// The same with a deadline.
pub fn request_within(id: &str, timeout: Duration) -> Request<AcknowledgeThirdPartyJobRequest> {
    let mut request = Request::new(request(id));
    request.set_timeout(timeout);
    request
}

pub async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// What a caller got.
#[derive(Debug)]
pub struct Answer {
    pub metadata: MetadataMap,
    pub result: Result<AcknowledgeThirdPartyJobResponse, Box<Status>>,
}

impl From<Result<Response<AcknowledgeThirdPartyJobResponse>, Status>> for Answer {
    fn from(result: Result<Response<AcknowledgeThirdPartyJobResponse>, Status>) -> Self {
        match result {
            Ok(response) => Self { metadata: response.metadata().clone(), result: Ok(response.into_inner()) },
            Err(status) => Self { metadata: status.metadata().clone(), result: Err(Box::new(status)) },
        }
    }
}

impl Answer {
    pub fn ok(&self) -> &AcknowledgeThirdPartyJobResponse {
        self.result.as_ref().unwrap_or_else(|status| panic!("not OK: {status:?}"))
    }

    pub fn status(&self) -> &Status {
        self.result.as_ref().expect_err("an error")
    }

    pub fn code(&self) -> Code {
        self.result.as_ref().map_or_else(|status| status.code(), |_| Code::Ok)
    }

    pub fn details(&self) -> ErrorDetails {
        self.status().check_error_details().unwrap()
    }

    pub fn reason(&self) -> String {
        self.details()
            .error_info()
            .map_or_else(|| panic!("no ErrorInfo: {self:?}"), |info| info.reason.clone())
    }

    pub fn info(&self) -> HashMap<String, String> {
        self.details().error_info().unwrap().metadata.clone()
    }

    pub fn outcome(&self) -> String {
        self.info()["outcome"].clone()
    }

    pub fn attempts(&self) -> u32 {
        self.info()["attempts"].parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(|value| value.to_str().unwrap())
    }
}
