//! The gRPC side: which services there are, the listener that serves them, and the way it stops.

mod accept;
mod layers;
mod reflection;
mod shutdown;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub use shutdown::Shutdown;

use crate::api::third_party_job_service_server::{SERVICE_NAME, ThirdPartyJobServiceServer};
use crate::call::Deadlines;
use crate::codepipeline::{Aws, AwsCodePipeline, CodePipeline, CredentialStatus, Held, Limits, keep_fresh};
use crate::service::JobService;
use layers::Layers;

/// The largest message that is read, in bytes. The largest valid request is about 3.3 KiB (818 characters of 4 bytes).
const MAX_MESSAGE: usize = 64 * 1024;

/// How the gateway behaves. Section 4 of the flags' documentation (`serve --help`) has the meanings and defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// Calls in flight over all connections; one more is refused.
    pub max_in_flight: usize,
    /// How long it goes on accepting after the first shutdown signal.
    pub shutdown_delay: Duration,
    /// How long calls in flight may then take.
    pub drain_timeout: Duration,
    /// Whether server reflection is offered.
    pub reflection: bool,
    /// How AWS is tried.
    pub aws: Limits,
}

/// Serves until `shutdown`, then drains. Binds no port, reads no environment, installs no signal handler.
///
/// # Errors
/// The listener was lost.
pub async fn run(listener: TcpListener, aws: Aws, settings: Settings, shutdown: Shutdown) -> io::Result<()> {
    let held = Held::empty();
    let codepipeline = AwsCodePipeline::new(&aws, held.clone(), settings.aws);
    let region = aws.region();
    let credentials = held.status();
    // Both run inside this future and are dropped with it: nothing outlives the server.
    tokio::select! {
        served = serve(listener, codepipeline, region, credentials, settings, shutdown) => served,
        () = keep_fresh(aws, held) => Ok(()),
    }
}

/// The same with any CodePipeline behind it.
///
/// # Errors
/// The listener was lost.
pub async fn serve<C: CodePipeline>(
    listener: TcpListener,
    codepipeline: C,
    region: Arc<str>,
    credentials: watch::Receiver<CredentialStatus>,
    settings: Settings,
    shutdown: Shutdown,
) -> io::Result<()> {
    let drain_over = CancellationToken::new();
    let health = HealthReporter::new();
    set_health(&health, ServingStatus::NotServing).await;
    let routes = routes(JobService::new(codepipeline, drain_over.clone()), &health, settings.reflection);
    let layers = Layers::new(routes, settings.deadlines, settings.max_in_flight, region);
    let stopping = shutdown.begun();
    tokio::select! {
        served = accept::accept(listener, layers, &settings, shutdown, drain_over) => served,
        () = follow_health(health, credentials, stopping) => Ok(()),
    }
}

fn routes<C: CodePipeline>(service: JobService<C>, health: &HealthReporter, reflection: bool) -> Routes {
    let jobs = ThirdPartyJobServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE);
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health.clone()),
    );
    let mut routes = Routes::new(jobs).add_service(health.max_decoding_message_size(MAX_MESSAGE));
    if reflection {
        routes = reflection::add_to(routes);
    }
    routes.prepare()
}

/// SERVING from the first loaded credentials to the first shutdown signal. Runs until its owner drops it.
async fn follow_health(
    health: HealthReporter,
    mut credentials: watch::Receiver<CredentialStatus>,
    stopping: CancellationToken,
) {
    let loaded = async {
        let held = |status: &CredentialStatus| matches!(status, CredentialStatus::Held { .. });
        credentials.wait_for(held).await.is_ok()
    };
    tokio::select! {
        // False where nobody is left to load any.
        true = loaded => set_health(&health, ServingStatus::Serving).await,
        () = stopping.cancelled() => {}
    }
    stopping.cancelled().await;
    set_health(&health, ServingStatus::NotServing).await;
    std::future::pending::<()>().await;
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}
