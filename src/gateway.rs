//! Runs the whole gateway: the gRPC listener, the admin listener, and the refresh of the AWS
//! credentials.

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
use crate::auth::Auth;
use crate::call::Deadlines;
use crate::codepipeline::{
    Aws, AwsCodePipeline, CodePipeline, CredentialCache, CredentialStatus, Limits, keep_fresh,
};
use crate::operations::{OperationSet, Policy};
use crate::poller::{self, Poller};
use crate::readiness::{self, Readiness};
use crate::server::{self, Server, Shutdown, Tls};
use crate::service::JobService;
use crate::telemetry::{Metrics, Traces};

/// Maximum time for a running scrape to finish at the end.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// The settings of the gateway. `serve --help` names the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// TLS of the gRPC port. Without it, the port is plaintext.
    pub tls: Option<Tls>,
    /// Authentication and authorization of the callers.
    pub auth: Auth,
    /// How long a call can take.
    pub deadlines: Deadlines,
    /// Most calls in flight over all connections. A further call is rejected.
    pub max_in_flight: usize,
    /// How calls wait for jobs.
    pub poll: poller::Settings,
    /// Most open connections. A further connection is closed immediately.
    pub max_connections: usize,
    /// Lifetime of a connection, 10 % more or less. Then GOAWAY, and its calls finish.
    pub max_connection_age: Duration,
    /// How long the gateway still accepts connections after the first shutdown signal.
    pub shutdown_delay: Duration,
    /// Maximum time for in-flight calls to finish after the shutdown delay.
    pub drain_timeout: Duration,
    /// Whether server reflection is offered.
    pub reflection: bool,
    /// The operations that are offered.
    pub operations: OperationSet,
    /// What requests and responses can contain.
    pub policy: Policy,
    /// Limits of the calls to AWS.
    pub aws: Limits,
    /// Creates the spans of calls and attempts.
    pub traces: Traces,
}

/// The ports of the gateway.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// HTTP for probes and scrapes: `/livez`, `/readyz`, `/metrics`.
    pub admin: TcpListener,
}

/// The service that calls are forwarded to.
#[derive(Debug)]
pub struct Backend<C> {
    /// AWS CodePipeline.
    pub codepipeline: C,
    /// Its AWS region.
    pub region: Arc<str>,
    /// The state of the credentials for it.
    pub credentials: watch::Receiver<CredentialStatus>,
}

/// Serves until `shutdown`, then drains.
///
/// # Errors
/// A listener is lost.
pub async fn run(listeners: Listeners, aws: Aws, settings: Settings, shutdown: Shutdown) -> io::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let credentials = CredentialCache::empty();
    let traces = settings.traces.clone();
    traces.counted_in(metrics.clone());
    let codepipeline =
        AwsCodePipeline::new(&aws, credentials.clone(), settings.aws, metrics.clone(), traces.clone());
    let backend = Backend { codepipeline, region: aws.region(), credentials: credentials.status() };
    // Aborted on drop, so that it doesn't outlive the gateway.
    let mut refresh = AbortOnDropHandle::new(tokio::spawn(keep_fresh(aws, credentials, metrics.clone())));
    let serving = serve(listeners, backend, settings, metrics, shutdown.clone());
    let served = while_refreshed(serving, &mut refresh, &shutdown).await;
    // Exported last, because the last calls have spans too.
    traces.end(shutdown.immediate()).await;
    served
}

/// Serves while the credential refresh runs. If the refresh stops, the gateway shuts down: the
/// credentials will expire, but the calls in flight can still finish.
async fn while_refreshed(
    serving: impl Future<Output = io::Result<()>>,
    refresh: &mut AbortOnDropHandle<()>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        served = &mut serving => served,
        // The result isn't logged: a panic's text can contain secrets, and the hook has logged its
        // location.
        _stopped = refresh => {
            tracing::error!("credential refresh stopped; shutting down");
            shutdown.begin();
            let _ = serving.await;
            Err(io::Error::other("credential refresh stopped"))
        }
    }
}

/// Serves with any CodePipeline, and with credentials that the caller refreshes.
///
/// # Errors
/// A listener is lost.
pub async fn serve<C: CodePipeline>(
    listeners: Listeners,
    backend: Backend<C>,
    settings: Settings,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let Backend { codepipeline, region, credentials } = backend;
    let sender = watch::Sender::new(Readiness::NotReady("starting"));
    let readiness = sender.subscribe();
    let drained = CancellationToken::new();
    let admin = admin::serve(listeners.admin, metrics.clone(), readiness.clone(), drained.clone());
    let mut admin = AbortOnDropHandle::new(tokio::spawn(admin));
    let follow = readiness::follow(sender, credentials, settings.auth.key_status(), shutdown.begun());
    let codepipeline = Arc::new(codepipeline);
    let (poller, polling) = Poller::new(settings.poll, shutdown.begun(), metrics.clone());
    let polling = polling.run(codepipeline.clone(), region.clone());
    let jobs = JobService::new(codepipeline, poller, settings.policy.clone());
    let server = Server { jobs, region, readiness, settings: settings.server(), metrics };
    let serving = async {
        tokio::select! {
            ended = server.serve(listeners.grpc, &shutdown) => ended,
            // Never ends. It reports to health watches whether the gateway is ready.
            () = follow => Ok(()),
            // Never ends either.
            () = polling => Ok(()),
        }
    };
    let mut serving = pin!(serving);
    let result = tokio::select! {
        ended = &mut serving => ended,
        ended = &mut admin => {
            // Without probes and metrics the gateway can't stay, but its calls can still finish.
            let error = ended.ok().and_then(Result::err).map(tracing::field::display);
            tracing::error!(error, "lost the admin listener; shutting down");
            shutdown.begin();
            let _ = serving.await;
            return Err(io::Error::other("lost the admin listener"));
        }
    };
    // The admin port closes last: a probe must not fail while calls are drained.
    drained.cancel();
    let _ = timeout(ADMIN_GRACE, admin).await;
    result.map_err(|error| io::Error::other(format!("lost the gRPC listener: {error}")))
}

impl Settings {
    /// The server's part.
    fn server(self) -> server::Settings {
        server::Settings {
            tls: self.tls,
            auth: self.auth,
            operations: self.operations,
            deadlines: self.deadlines,
            max_in_flight: self.max_in_flight,
            max_poll_waiters: self.poll.max_waiters,
            max_connections: self.max_connections,
            max_connection_age: self.max_connection_age,
            shutdown_delay: self.shutdown_delay,
            drain_timeout: self.drain_timeout,
            reflection: self.reflection,
            traces: self.traces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_credential_refresh_the_gateway_drains_and_ends() {
        let shutdown = Shutdown::new();
        let (begun, drained) = (shutdown.begun(), CancellationToken::new());
        let serving = async {
            begun.cancelled_owned().await;
            drained.cancel();
            Ok(())
        };
        let mut refresh = AbortOnDropHandle::new(tokio::spawn(async {}));
        let served =
            timeout(Duration::from_secs(60), while_refreshed(serving, &mut refresh, &shutdown)).await;
        assert_eq!(served.unwrap().unwrap_err().to_string(), "credential refresh stopped");
        assert!(drained.is_cancelled());
    }
}
