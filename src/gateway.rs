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
use crate::codepipeline::{
    Aws, AwsCodePipeline, CodePipeline, CredentialCache, CredentialStatus, keep_fresh,
};
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
    let held = CredentialCache::empty();
    let (traces, at_once) = (settings.traces.clone(), shutdown.at_once());
    traces.counted_in(metrics.clone());
    let codepipeline =
        AwsCodePipeline::new(&aws, held.clone(), settings.aws, metrics.clone(), traces.clone());
    let (region, status) = (aws.region(), held.status());
    // Aborted when it is dropped: nothing outlives the gateway.
    let mut fresh = AbortOnDropHandle::new(tokio::spawn(keep_fresh(aws, held, metrics.clone())));
    let serving = serve(listeners, codepipeline, region, status, settings, metrics, shutdown.clone());
    let ended = while_fresh(serving, &mut fresh, &shutdown).await;
    // The last calls have spans too.
    traces.end(at_once).await;
    ended
}

/// Serves as long as somebody keeps the credentials fresh; then it is of no use for long, but its calls must not suffer for
/// that.
async fn while_fresh(
    serving: impl Future<Output = io::Result<()>>,
    fresh: &mut AbortOnDropHandle<()>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        served = &mut serving => served,
        // Not how it ended: a panic's text may hold anything, and the hook has logged where it was.
        _ended = fresh => {
            tracing::error!("nobody keeps the credentials fresh any more; draining");
            shutdown.begin();
            let _ = serving.await;
            Err(io::Error::other("nobody kept the credentials fresh any more"))
        }
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
    let (mut grpc, mut ready) = (pin!(grpc), pin!(readiness::follow(sender, credentials, keys, stopping)));
    let served = tokio::select! {
        served = &mut grpc => served,
        () = &mut ready => Ok(()),
        ended = &mut admin => {
            // Without probes and metrics it is of no use, but its calls must not suffer for that.
            let error = ended.ok().and_then(Result::err).map(tracing::field::display);
            tracing::error!(error, "lost the admin listener; draining");
            shutdown.begin();
            tokio::select! {
                _served = &mut grpc => {}
                // Runs for ever: callers are told that it isn't healthy any more.
                () = &mut ready => {}
            }
            return Err(io::Error::other("lost the admin listener"));
        }
    };
    // The admin side answers to the last: a probe must not fail while calls are still drained.
    drained.cancel();
    let _ = timeout(ADMIN_END, admin).await;
    served.map_err(|error| io::Error::other(format!("lost the gRPC listener: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_fresh_credentials_it_drains_before_it_ends() {
        let shutdown = Shutdown::new();
        let (begun, drained) = (shutdown.begun(), CancellationToken::new());
        let serving = async {
            begun.cancelled_owned().await;
            drained.cancel();
            Ok(())
        };
        let mut fresh = AbortOnDropHandle::new(tokio::spawn(async {}));
        let ended = timeout(Duration::from_secs(60), while_fresh(serving, &mut fresh, &shutdown)).await;
        assert_eq!(ended.unwrap().unwrap_err().to_string(), "nobody kept the credentials fresh any more");
        assert!(drained.is_cancelled());
    }
}
