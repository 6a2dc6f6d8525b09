//! The settings of `serve`: one field is one flag, its variable, its default and its line of help; then what they mean
//! together.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use codepipeline_gateway::auth::{AllowList, Auth, Rule};
use codepipeline_gateway::call::Deadlines;
use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::server::{Settings, Tls, TlsFiles};
use codepipeline_gateway::telemetry::{LogFormat, parse_filter};
use tracing::level_filters::LevelFilter;

/// Where it listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Where gRPC listens; [::] takes IPv4 too
    #[arg(long, env = "GATEWAY_GRPC_ADDR", value_name = "ADDR", default_value = "[::]:50051")]
    pub(crate) grpc_addr: SocketAddr,
    /// Where the plain HTTP side listens: /livez, /readyz, /metrics
    #[arg(long, env = "GATEWAY_ADMIN_ADDR", value_name = "ADDR", default_value = "[::]:9090")]
    pub(crate) admin_addr: SocketAddr,
}

/// TLS of the gRPC port.
#[derive(Args, Clone, Debug)]
pub(crate) struct TlsArgs {
    /// PEM file with the certificate and its chain, followed when it changes [default: none, plaintext]
    #[arg(long = "tls-cert", env = "GATEWAY_TLS_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's key, followed when it changes
    #[arg(long = "tls-key", env = "GATEWAY_TLS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// PEM bundle of roots; with it every caller must present a certificate
    #[arg(long = "tls-client-ca", env = "GATEWAY_TLS_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// Whether callers have to present a certificate.
    pub(crate) fn has_client_ca(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Reads the files, if there are any.
    ///
    /// # Errors
    /// One line that names the flags and variables, and the file.
    pub(crate) fn load(&self) -> Result<Option<Tls>, String> {
        let (cert, key) = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            (None, None) if self.client_ca.is_none() => return Ok(None),
            _ => {
                return Err("--tls-cert (GATEWAY_TLS_CERT) and --tls-key (GATEWAY_TLS_KEY) go together, \
                            and --tls-client-ca (GATEWAY_TLS_CLIENT_CA) needs both"
                    .into());
            }
        };
        let loaded = Tls::load(TlsFiles { cert, key, client_ca: self.client_ca.clone() });
        let flags = "--tls-cert, --tls-key, --tls-client-ca (GATEWAY_TLS_CERT, GATEWAY_TLS_KEY, GATEWAY_TLS_CLIENT_CA)";
        loaded.map(Some).map_err(|error| format!("{flags}: {error}"))
    }
}

/// How callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthMode {
    /// Not at all: whoever reaches the port may call
    None,
    /// By the names in their client certificate
    Mtls,
}

/// Who may call.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuthArgs {
    /// How callers are told apart
    #[arg(long, env = "GATEWAY_AUTH", value_name = "MODE", default_value = "none")]
    auth: AuthMode,
    /// Who may call, comma-separated or repeated: spiffe://… or dns:… as in their certificates; a * may end a spiffe: name right after a / or :
    #[arg(long, env = "GATEWAY_ALLOW", value_name = "NAMES", value_delimiter = ',')]
    allow: Vec<Rule>,
}

impl AuthArgs {
    /// Who may call, once that makes sense together.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn auth(&self, client_ca: bool) -> Result<Auth, String> {
        const MTLS: &str = "--auth mtls (GATEWAY_AUTH)";
        match (self.auth, AllowList::new(self.allow.clone())) {
            (AuthMode::None, Err(_)) => Ok(Auth::None),
            (AuthMode::None, Ok(_)) => Err(format!("--allow (GATEWAY_ALLOW) does nothing without {MTLS}")),
            (AuthMode::Mtls, _) if !client_ca => {
                Err(format!("{MTLS} needs --tls-client-ca (GATEWAY_TLS_CLIENT_CA)"))
            }
            (AuthMode::Mtls, Err(error)) => Err(format!("{MTLS} needs --allow (GATEWAY_ALLOW): {error}")),
            (AuthMode::Mtls, Ok(list)) => Ok(Auth::Mtls(list)),
        }
    }
}

/// How it behaves.
#[derive(Args, Clone, Debug)]
pub(crate) struct Behaviour {
    /// Deadline of a call whose caller sends none
    #[arg(long, env = "GATEWAY_DEFAULT_DEADLINE", value_name = "TIME", default_value = "10s", value_parser = positive)]
    default_deadline: Duration,
    /// Longest deadline; a caller's longer one is cut to it
    #[arg(long, env = "GATEWAY_MAX_DEADLINE", value_name = "TIME", default_value = "30s", value_parser = positive)]
    max_deadline: Duration,
    /// Calls in flight over all connections; one more is refused at once
    #[arg(long, env = "GATEWAY_MAX_IN_FLIGHT", value_name = "N", default_value = "1024", value_parser = at_least_one::<NonZeroUsize>)]
    max_in_flight: NonZeroUsize,
    /// Open connections; one more is closed at once
    #[arg(long, env = "GATEWAY_MAX_CONNECTIONS", value_name = "N", default_value = "10000", value_parser = at_least_one::<NonZeroUsize>)]
    max_connections: NonZeroUsize,
    /// How long a connection lives, 10 % more or less; then GOAWAY, and its calls finish
    #[arg(long, env = "GATEWAY_MAX_CONNECTION_AGE", value_name = "TIME", default_value = "5m", value_parser = positive)]
    max_connection_age: Duration,
    /// How long it still accepts after the first SIGTERM or SIGINT, while its endpoints are withdrawn
    #[arg(long, env = "GATEWAY_SHUTDOWN_DELAY", value_name = "TIME", default_value = "5s", value_parser = duration)]
    shutdown_delay: Duration,
    /// How long calls in flight may then take
    #[arg(long, env = "GATEWAY_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = duration)]
    drain_timeout: Duration,
    /// Server reflection, v1 and v1alpha
    #[arg(long, env = "GATEWAY_REFLECTION", value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    reflection: bool,
    /// How long one attempt at AWS may take, connecting included
    #[arg(long, env = "GATEWAY_AWS_ATTEMPT_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = positive)]
    aws_attempt_timeout: Duration,
    /// How long connecting to AWS may take
    #[arg(long, env = "GATEWAY_AWS_CONNECT_TIMEOUT", value_name = "TIME", default_value = "2s", value_parser = positive)]
    aws_connect_timeout: Duration,
    /// Attempts at AWS a call makes at most; only what provably did nothing is repeated
    #[arg(long, env = "GATEWAY_AWS_MAX_ATTEMPTS", value_name = "N", default_value = "3", value_parser = at_least_one::<NonZeroU32>)]
    aws_max_attempts: NonZeroU32,
}

/// What it logs, to standard error.
#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    /// How log lines look [default: text on a terminal, else json]
    #[arg(long, env = "GATEWAY_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Which log lines there are: error, warn, info, debug, trace, or a filter such as info,codepipeline_gateway=debug
    #[arg(long, env = "GATEWAY_LOG_LEVEL", value_name = "FILTER", default_value = "info", value_parser = filter)]
    pub(crate) log_level: String,
}

impl Behaviour {
    /// The settings, once they make sense together.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn settings(&self, tls: Option<Tls>, auth: Auth) -> Result<Settings, String> {
        if self.default_deadline > self.max_deadline {
            return Err(format!(
                "--default-deadline (GATEWAY_DEFAULT_DEADLINE) is {:?}, longer than --max-deadline (GATEWAY_MAX_DEADLINE), which is {:?}",
                self.default_deadline, self.max_deadline
            ));
        }
        if self.aws_connect_timeout > self.aws_attempt_timeout {
            return Err(format!(
                "--aws-connect-timeout (GATEWAY_AWS_CONNECT_TIMEOUT) is {:?}, longer than --aws-attempt-timeout (GATEWAY_AWS_ATTEMPT_TIMEOUT), which is {:?}",
                self.aws_connect_timeout, self.aws_attempt_timeout
            ));
        }
        Ok(Settings {
            tls,
            auth,
            deadlines: Deadlines { default: self.default_deadline, max: self.max_deadline },
            max_in_flight: self.max_in_flight.get(),
            max_connections: self.max_connections.get(),
            max_connection_age: self.max_connection_age,
            shutdown_delay: self.shutdown_delay,
            drain_timeout: self.drain_timeout,
            reflection: self.reflection,
            aws: Limits {
                attempt_timeout: self.aws_attempt_timeout,
                connect_timeout: self.aws_connect_timeout,
                max_attempts: self.aws_max_attempts.get(),
            },
        })
    }

    /// What is allowed and probably not meant, a line each.
    pub(crate) fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.drain_timeout < self.max_deadline {
            warnings.push(
                "--drain-timeout (GATEWAY_DRAIN_TIMEOUT) is shorter than --max-deadline (GATEWAY_MAX_DEADLINE): \
                 a shutdown cuts off calls that still have time",
            );
        }
        warnings
    }
}

/// Longer times overflow the clock, and are nobody's intent.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > LONGEST => Err("it must be at most a year".into()),
        parsed => parsed.map_err(|_| "a time looks like 500ms, 10s or 5m".into()),
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        time => Ok(time),
    }
}

fn at_least_one<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "it must be a whole number, at least 1".into())
}

fn filter(text: &str) -> Result<String, String> {
    // A word alone would be taken for a target, and a misspelt level would silence the log.
    let words = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    for word in words {
        if word.is_empty() || word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level; there are off, error, warn, info, debug and trace"));
        }
    }
    parse_filter(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
