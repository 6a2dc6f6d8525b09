//! The gateway as a whole: the gRPC listener, the admin listener, and the task that keeps the credentials fresh, under
//! one roof and ending together.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::admin;
use crate::codepipeline::{Aws, AwsCodePipeline, CodePipeline, CredentialStatus, Held, keep_fresh};
use crate::readiness::{self, Readiness};
use crate::server::{self, Settings, Shutdown};
use crate::telemetry::Metrics;

/// How long a scrape that is under way may hold the end.
const ADMIN_END: Duration = Duration::from_secs(1);

/// Where it listens.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// Plain HTTP: `/livez`, `/readyz`, `/metrics`.
    pub admin: TcpListener,
}

/// Serves until `shutdown`, then drains. Binds no port, reads no environment, installs no signal handler.
///
/// # Errors
/// A listener was lost.
pub async fn run(listeners: Listeners, aws: Aws, settings: Settings, shutdown: Shutdown) -> io::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let held = Held::empty();
    let codepipeline = AwsCodePipeline::new(&aws, held.clone(), settings.aws, metrics.clone());
    let (region, status) = (aws.region(), held.status());
    // Aborted when it is dropped: nothing outlives the gateway.
    let mut fresh = AbortOnDropHandle::new(tokio::spawn(keep_fresh(aws, held, metrics.clone())));
    tokio::select! {
        served = serve(listeners, codepipeline, region, status, settings, metrics, shutdown) => served,
        ended = &mut fresh => Err(io::Error::other(format!("the credentials' task ended: {ended:?}"))),
    }
}

/// The same with any CodePipeline behind it, and credentials that are somebody else's business.
///
/// # Errors
/// A listener was lost.
pub async fn serve<C: CodePipeline>(
    listeners: Listeners,
    codepipeline: C,
    region: Arc<str>,
    credentials: watch::Receiver<CredentialStatus>,
    settings: Settings,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let sender = watch::Sender::new(Readiness::NotReady("starting"));
    let readiness = sender.subscribe();
    let drained = CancellationToken::new();
    let admin = admin::serve(listeners.admin, metrics.clone(), readiness.clone(), drained.clone());
    let mut admin = AbortOnDropHandle::new(tokio::spawn(admin));
    let (keys, stopping) = (settings.auth.key_status(), shutdown.begun());
    let grpc =
        server::serve(listeners.grpc, codepipeline, region, readiness, &settings, metrics, shutdown.clone());
    let mut grpc = pin!(grpc);
    let served = tokio::select! {
        served = &mut grpc => served,
        () = readiness::follow(sender, credentials, keys, stopping) => Ok(()),
        ended = &mut admin => {
            // Without probes and metrics it is of no use, but its calls must not suffer for that.
            tracing::error!(?ended, "lost the admin listener; draining");
            shutdown.stop();
            let _ = grpc.await;
            return Err(io::Error::other("lost the admin listener"));
        }
    };
    // The admin side answers to the last: a probe must not fail while calls are still drained.
    drained.cancel();
    let _ = timeout(ADMIN_END, admin).await;
    served
}
