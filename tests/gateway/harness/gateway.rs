//! A gateway in the test's own process, on loopback.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::call::Deadlines;
use codepipeline_gateway::codepipeline::{Aws, FakeKeys, Limits, Source};
pub use codepipeline_gateway::gateway::Settings;
use codepipeline_gateway::gateway::{Listeners, run};
use codepipeline_gateway::operations::{ArtifactCredentials, OperationSet, Policy};
use codepipeline_gateway::poller;
use codepipeline_gateway::server::Shutdown;
use codepipeline_gateway::telemetry::Traces;
use codepipeline_simulator::AccessKey;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;

use super::calls::{AnswerTo, Sendable};
use super::{PATIENCE, get, grpc, http, loopback, metric, unary, until, within};

pub const REGION: &str = "eu-west-1";

/// Settings for tests. Times are short where a test waits for their end, and long where it doesn't.
pub fn settings() -> Settings {
    Settings {
        tls: None,
        auth: Auth::None,
        deadlines: Deadlines { default: Duration::from_secs(20), max: Duration::from_secs(30) },
        max_in_flight: 64,
        poll: poller::Settings { interval: Duration::from_secs(1), max_waiters: 64 },
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
        operations: OperationSet::all(),
        policy: Policy { artifact_credentials: ArtifactCredentials::Include, ..Policy::default() },
        traces: Traces::default(),
    }
}

/// The key that the simulator knows.
pub fn fake_keys() -> FakeKeys {
    let AccessKey { access_key_id, secret_access_key, session_token, expired: _ } = AccessKey::fake();
    FakeKeys { access_key_id, secret_access_key, session_token }
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
    /// Starts a gateway. With keys, waits until it is healthy.
    pub async fn start(endpoint_url: String, settings: Settings, keys: Option<FakeKeys>) -> Self {
        let (healthy, plaintext) = (keys.is_some(), settings.tls.is_none());
        let gateway = Self::launch(endpoint_url, settings, keys).await;
        if healthy && plaintext {
            gateway.wait_for_health(ServingStatus::Serving).await;
        } else if healthy {
            until("ready", PATIENCE, async || gateway.is_ready().await, |ready| *ready).await;
        }
        gateway
    }

    /// Starts a gateway and doesn't wait.
    pub async fn launch(endpoint_url: String, settings: Settings, keys: Option<FakeKeys>) -> Self {
        let source = Source::Fixed { region: REGION.into(), endpoint_url, keys };
        let aws = Aws::load(source).await.unwrap();
        let (admin, admin_socket) = duplicate(loopback().await);
        let listeners = Listeners { grpc: loopback().await, admin };
        let address = listeners.grpc.local_addr().unwrap();
        let admin = listeners.admin.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let served = tokio::spawn(run(listeners, aws, settings, shutdown.clone()));
        Self { address, admin, channel: grpc::channel(address), shutdown, served, admin_socket }
    }

    /// Makes `accept` fail from now on, as if the operating system had closed the port.
    pub fn lose_the_admin_port(&self) {
        socket2::SockRef::from(&self.admin_socket).shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// A channel with a connection of its own.
    pub fn new_channel(&self) -> Channel {
        grpc::channel(self.address)
    }

    /// Waits on a health watch, on the connection of this gateway's channel.
    pub async fn wait_for_health(&self, wanted: ServingStatus) {
        grpc::wait_for_health(self.channel.clone(), wanted).await;
    }

    /// One GET request to the admin port.
    pub async fn get(&self, path: &str, accept: &str) -> (String, String) {
        get(self.admin, path, accept).await
    }

    /// The value of one series of `/metrics`. A missing series fails the test.
    pub async fn metric(&self, series: &str) -> f64 {
        metric(self.admin, series).await
    }

    /// Waits until a series of `/metrics` has a value that meets the condition.
    pub async fn until_metric(&self, series: &str, condition: impl Fn(f64) -> bool) -> f64 {
        until(series, PATIENCE, async || self.metric(series).await, |value| condition(*value)).await
    }

    /// Whether `/readyz` returns 200.
    pub async fn is_ready(&self) -> bool {
        http::is_ready(self.admin).await
    }

    /// Calls an operation over this gateway's channel.
    pub async fn send<S: Sendable>(&self, request: S) -> AnswerTo<S> {
        unary(self.channel.clone(), request).await
    }

    pub async fn stop(self) -> io::Result<()> {
        self.shutdown.stop();
        self.ended().await
    }

    /// Waits for the end of a gateway that is shutting down.
    pub async fn ended(self) -> io::Result<()> {
        drop(self.channel);
        within("the end of the gateway", PATIENCE, self.served).await.unwrap()
    }
}

fn duplicate(listener: TcpListener) -> (TcpListener, std::net::TcpListener) {
    let one = listener.into_std().unwrap();
    let other = one.try_clone().unwrap();
    (TcpListener::from_std(one).unwrap(), other)
}
