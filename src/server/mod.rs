//! The gRPC side: which services there are, the listener that serves them, and the way it stops.

mod accept;
mod admission;
mod connection;
mod grpc_call;
mod http2;
mod preface;
mod reflection;
mod request_body;
mod response_body;
mod shutdown;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub(crate) use accept::handle_accept_error;
pub use shutdown::Shutdown;
pub use tls::{Tls, TlsError, TlsFiles};

use crate::auth::Auth;
use crate::call::Deadlines;
use crate::codepipeline::{CodePipeline, Limits};
use crate::operations::ActionTypes;
use crate::proto::third_party_job_service_server::{SERVICE_NAME, ThirdPartyJobServiceServer};
use crate::readiness::Readiness;
use crate::service::JobService;
use crate::telemetry::{Metrics, Traces};
use grpc_call::GrpcCalls;

/// The largest message that is read, in bytes. The largest valid request is about 3.3 KiB (818 characters of 4 bytes).
const MAX_MESSAGE: usize = 64 * 1024;

/// The same for health and reflection, whose messages are a name: whoever holds many open must not hold much.
const MAX_NAME: usize = 4 * 1024;

/// How the gateway behaves. `serve --help` has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// TLS; without it the port is plaintext.
    pub tls: Option<Tls>,
    /// Who may call.
    pub auth: Auth,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// Calls in flight over all connections; one more is refused.
    pub max_in_flight: usize,
    /// Open connections; one more is closed at once.
    pub max_connections: usize,
    /// How long a connection lives, give or take a tenth; then GOAWAY, and its calls finish.
    pub max_connection_age: Duration,
    /// How long it goes on accepting after the first shutdown signal.
    pub shutdown_delay: Duration,
    /// How long calls in flight may then take.
    pub drain_timeout: Duration,
    /// Whether server reflection is offered.
    pub reflection: bool,
    /// The action types that callers may use.
    pub action_types: ActionTypes,
    /// How AWS is tried.
    pub aws: Limits,
    /// Makes the spans of calls and attempts.
    pub traces: Traces,
}

/// Serves gRPC until `shutdown`, then drains.
///
/// # Errors
/// The listener was lost.
pub(crate) async fn serve<C: CodePipeline>(
    listener: TcpListener,
    codepipeline: C,
    region: Arc<str>,
    readiness: watch::Receiver<Readiness>,
    settings: &Settings,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let drain_over = CancellationToken::new();
    let health = HealthReporter::new();
    // tonic-health begins with SERVING.
    set_health(&health, ServingStatus::NotServing).await;
    let routes =
        routes(JobService::new(codepipeline, settings.action_types.clone()), &health, settings.reflection);
    let grpc_calls = GrpcCalls::new(routes, settings, region, metrics.clone(), drain_over.clone());
    tokio::select! {
        served = accept::accept(listener, grpc_calls, settings, &metrics, shutdown, drain_over) => served,
        () = follow_certificates(settings, &metrics) => Ok(()),
        () = settings.auth.keep_fresh(&metrics) => Ok(()),
        () = follow(health, readiness) => Ok(()),
    }
}

fn routes<C: CodePipeline>(service: JobService<C>, health: &HealthReporter, reflection: bool) -> Routes {
    let jobs = ThirdPartyJobServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE);
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health.clone()),
    );
    let mut routes = Routes::new(jobs).add_service(health.max_decoding_message_size(MAX_NAME));
    if reflection {
        routes = reflection::add_to(routes);
    }
    routes.prepare()
}

async fn follow_certificates(settings: &Settings, metrics: &Metrics) {
    match &settings.tls {
        Some(tls) => tls.follow(metrics).await,
        None => std::future::pending().await,
    }
}

/// grpc.health.v1 says what readiness says. Runs until its owner drops it.
async fn follow(health: HealthReporter, mut readiness: watch::Receiver<Readiness>) {
    loop {
        let ready = *readiness.borrow_and_update() == Readiness::Ready;
        set_health(&health, if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        if readiness.changed().await.is_err() {
            // Nobody is left to change it.
            std::future::pending::<()>().await;
        }
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}
