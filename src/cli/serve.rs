//! The subcommand `serve`: runs the gateway with the SDK's own configuration until a signal ends
//! it.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::pin::pin;

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::codepipeline::Aws;
use codepipeline_gateway::gateway::{self, Listeners, Settings};
use codepipeline_gateway::server::Shutdown;
use codepipeline_gateway::telemetry::{self, LogFormat, Traces};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::aws_env::{aws_warnings, credential_variables, environment, ignored_variables};
use super::bind::{bind, raise_file_limit};
use super::gateway_env::unknown_variables;
use super::output::CliError;
use crate::config::{AccessArgs, AuthArgs, LimitArgs, Listen, Logs, TlsArgs, TraceArgs, flag};

/// The flags of `serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) listen: Listen,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) logs: Logs,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
}

impl Serve {
    /// The settings that the flags result in, without traces.
    pub(super) fn settings(&self) -> Result<Settings, CliError> {
        let tls = self.tls.load().map_err(CliError::Usage)?;
        let auth = self.auth.auth(self.tls.has_client_ca()).map_err(CliError::Usage)?;
        let mut settings = self.limits.settings(tls, auth).map_err(CliError::Usage)?;
        self.access.clone().apply_to(&mut settings);
        self.listen.check().map_err(CliError::Usage)?;
        Ok(settings)
    }

    /// A warning for each setting that is valid and probably a mistake.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.limits.warning().into_iter().chain(ignored_variables()).chain(unknown_variables::<Self>())
    }

    /// Runs the gateway. Checks the whole configuration before it binds a port.
    pub(super) async fn run(self) -> Result<(), CliError> {
        // First, because PID 1 of a container ignores a signal that arrives before there is a
        // handler.
        let signals = Signals::listen()?;
        let mut settings = self.settings()?;
        let traces = self.traces.config().map_err(CliError::Usage)?;
        let _log = start_logs(&self.logs)?;
        log_warnings(self.warnings().chain(traces.warnings));
        let aws = Aws::load(environment()).await.map_err(|error| CliError::Usage(error.to_string()))?;
        raise_file_limit(&settings)?;
        let listeners = Listeners {
            grpc: bind(self.listen.grpc_addr, &flag::<Listen>("--grpc-addr")).await?,
            admin: bind(self.listen.admin_addr, &flag::<Listen>("--admin-addr")).await?,
        };
        if let Some(wanted) = &traces.settings {
            let started = Traces::start(wanted);
            settings.traces =
                started.map_err(|error| CliError::Failed(format!("can't start traces: {error}")))?;
            tracing::info!(collector = traces.shown, "exporting traces");
        }
        log_warnings(aws_warnings(&aws));
        log_warnings(security_warnings(&settings));
        tracing::info!(variables = credential_variables(), "loading AWS credentials");
        let shutdown = Shutdown::new();
        signals.forward(&shutdown, gateway(listeners, aws, settings, shutdown.clone())).await
    }
}

/// Runs the gateway until its shutdown ends.
pub(super) async fn gateway(
    listeners: Listeners,
    aws: Aws,
    settings: Settings,
    shutdown: Shutdown,
) -> Result<(), CliError> {
    let address = |listener: &TcpListener| listener.local_addr().map_err(CliError::failed);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        grpc = %address(&listeners.grpc)?,
        admin = %address(&listeners.admin)?,
        region = &*aws.region(),
        endpoint = aws.endpoint(),
        tls = settings.tls.is_some(),
        auth = settings.auth.mode(),
        "listening"
    );
    let result = gateway::run(listeners, aws, settings, shutdown).await;
    result.map_err(CliError::failed)
}

/// A warning for each protection that the gateway leaves to its environment.
pub(super) fn security_warnings(settings: &Settings) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if settings.tls.is_none() {
        warnings.push(
            "TLS is off: nonces, client tokens and bearer tokens cross the network unencrypted; \
             set --tls-cert and --tls-key, or use a mesh",
        );
    }
    if matches!(settings.auth, Auth::None) {
        warnings.push(
            "authentication is off: any client that reaches the port can call; \
             set --auth, or restrict access with a mesh or a network policy",
        );
    }
    warnings
}

/// Writes the warnings to the log.
pub(super) fn log_warnings(warnings: impl IntoIterator<Item = impl Display>) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Logs to standard error until the guard is dropped.
pub(super) fn start_logs(logs: &Logs) -> Result<impl Drop + use<>, CliError> {
    let on_terminal = if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    let started =
        telemetry::init(logs.log_format.unwrap_or(on_terminal), logs.log_level.clone(), io::stderr());
    started.map_err(CliError::failed)
}

/// SIGTERM and SIGINT. The first signal starts the shutdown, and the second one makes it immediate.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Handles both signals from now on, so that they no longer kill the process.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|error| CliError::Failed(format!("can't listen for signals: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Runs the work, and forwards each signal to `shutdown` meanwhile.
    pub(super) async fn forward<T>(mut self, shutdown: &Shutdown, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = self.terminate.recv() => shutdown.stop(),
                _ = self.interrupt.recv() => shutdown.stop(),
            }
        }
    }
}
