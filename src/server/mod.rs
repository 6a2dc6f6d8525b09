//! The gRPC server: its services, its listener, and its shutdown.

mod accept;
mod admission;
mod connection;
mod grpc_call;
mod grpc_only;
mod http2;
mod peer;
mod preface;
mod reflection;
mod request_body;
mod response_body;
mod settings;
mod shutdown;
mod stack;
mod tls;
mod tonic_errors;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub(crate) use settings::Settings;
pub use shutdown::Shutdown;
pub use tls::{Tls, TlsError, TlsFiles};

use crate::codepipeline::CodePipeline;
use crate::proto::third_party_job_service_server::{SERVICE_NAME, ThirdPartyJobServiceServer};
use crate::readiness::Readiness;
use crate::service::JobService;
use crate::telemetry::Metrics;
use grpc_call::{GrpcCalls, Jobs};
use http2::{MAX_MESSAGE, MAX_NAME_MESSAGE};

/// The gRPC server, before it serves.
pub(crate) struct Server<C> {
    pub(crate) jobs: JobService<C>,
    /// The AWS region, for error details.
    pub(crate) region: Arc<str>,
    pub(crate) readiness: watch::Receiver<Readiness>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
}

impl<C: CodePipeline> Server<C> {
    /// Serves gRPC until `shutdown`, then drains.
    ///
    /// # Errors
    /// The listener is lost.
    pub(crate) async fn serve(self, listener: TcpListener, shutdown: &Shutdown) -> io::Result<()> {
        let Self { jobs, region, readiness, settings, metrics } = self;
        let health = HealthReporter::new();
        // tonic-health starts with SERVING.
        set_health(&health, ServingStatus::NotServing).await;
        let jobs = ThirdPartyJobServiceServer::new(jobs).max_decoding_message_size(MAX_MESSAGE);
        let routes = routes(&health, settings.reflection);
        let grpc_calls = GrpcCalls::new(Jobs::new(jobs), routes, &settings, region, metrics.clone());
        tokio::select! {
            served = accept::accept(listener, grpc_calls, &settings, shutdown) => served,
            () = reload_certificates(&settings, &metrics) => Ok(()),
            () = settings.auth.keep_fresh(&metrics) => Ok(()),
            () = report_health(health, readiness) => Ok(()),
        }
    }
}

fn routes(health: &HealthReporter, reflection: bool) -> Routes {
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health.clone()),
    );
    let mut routes = Routes::new(health.max_decoding_message_size(MAX_NAME_MESSAGE));
    if reflection {
        routes = reflection::add_to(routes);
    }
    routes.prepare()
}

async fn reload_certificates(settings: &Settings, metrics: &Metrics) {
    match &settings.tls {
        Some(tls) => tls.follow(metrics).await,
        None => std::future::pending().await,
    }
}

/// Reports the readiness as grpc.health.v1, until the caller drops this future.
async fn report_health(health: HealthReporter, mut readiness: watch::Receiver<Readiness>) {
    loop {
        let ready = *readiness.borrow_and_update() == Readiness::Ready;
        set_health(&health, if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        if readiness.changed().await.is_err() {
            // Without a sender, it can't change any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}
