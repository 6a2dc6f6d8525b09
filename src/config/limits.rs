//! The flags for deadlines, limits, shutdown, and attempts at AWS.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::call::Deadlines;
use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::gateway::Settings;
use codepipeline_gateway::operations::{OperationSet, Policy};
use codepipeline_gateway::poller;
use codepipeline_gateway::server::Tls;
use codepipeline_gateway::telemetry::Traces;

use super::flag::flag;
use super::parse::{at_least_a_second, at_least_one, duration, positive};

/// Deadlines, limits, shutdown, and attempts at AWS.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Deadline of a call that has no deadline of its own
    #[arg(long, env = "GATEWAY_DEFAULT_DEADLINE", value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = positive)]
    default_deadline: Duration,
    /// Maximum deadline; a longer deadline is capped to this value
    #[arg(long, env = "GATEWAY_MAX_DEADLINE", value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = positive)]
    max_deadline: Duration,
    /// Maximum number of in-flight calls over all connections; further calls are rejected
    /// immediately
    #[arg(long, env = "GATEWAY_MAX_IN_FLIGHT", value_name = "N", default_value = "1024")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroUsize>)]
    max_in_flight: NonZeroUsize,
    /// Minimum time between two polls of AWS for an action type, while calls wait for its jobs; at
    /// least 1s
    #[arg(long, env = "GATEWAY_POLL_INTERVAL", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = at_least_a_second)]
    poll_interval: Duration,
    /// Maximum number of calls that wait for jobs, over all connections; further calls are rejected
    /// immediately
    #[arg(long, env = "GATEWAY_MAX_POLL_WAITERS", value_name = "N", default_value = "1024")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroUsize>)]
    max_poll_waiters: NonZeroUsize,
    /// Maximum number of open connections; further connections are closed immediately
    #[arg(long, env = "GATEWAY_MAX_CONNECTIONS", value_name = "N", default_value = "10000")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroUsize>)]
    max_connections: NonZeroUsize,
    /// Lifetime of a connection, 10 % more or less; the gateway then sends GOAWAY, and the
    /// connection's calls finish
    #[arg(long, env = "GATEWAY_MAX_CONNECTION_AGE", value_name = "TIME", default_value = "5m")]
    #[arg(value_parser = positive)]
    max_connection_age: Duration,
    /// Time for which the gateway still accepts connections after the first SIGTERM or SIGINT,
    /// while Kubernetes withdraws its endpoint; the gateway sends GOAWAY halfway through
    #[arg(long, env = "GATEWAY_SHUTDOWN_DELAY", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = duration)]
    shutdown_delay: Duration,
    /// Maximum time for in-flight calls to finish after the shutdown delay
    #[arg(long, env = "GATEWAY_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = duration)]
    drain_timeout: Duration,
    /// Offer server reflection, v1 and v1alpha
    #[arg(long, env = "GATEWAY_REFLECTION", value_name = "BOOL", default_value = "true")]
    #[arg(action = clap::ArgAction::Set)]
    reflection: bool,
    /// Maximum time of one attempt at AWS, including the time to connect
    #[arg(long, env = "GATEWAY_AWS_ATTEMPT_TIMEOUT", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = positive)]
    aws_attempt_timeout: Duration,
    /// Maximum time to connect to AWS
    #[arg(long, env = "GATEWAY_AWS_CONNECT_TIMEOUT", value_name = "TIME", default_value = "2s")]
    #[arg(value_parser = positive)]
    aws_connect_timeout: Duration,
    /// Time after which an idle connection to AWS is closed
    #[arg(long, env = "GATEWAY_AWS_IDLE_TIMEOUT", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = positive)]
    aws_idle_timeout: Duration,
    /// Maximum number of attempts at AWS per call; the gateway retries only reads and requests that
    /// provably did nothing
    #[arg(long, env = "GATEWAY_AWS_MAX_ATTEMPTS", value_name = "N", default_value = "3")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroU32>)]
    aws_max_attempts: NonZeroU32,
}

impl LimitArgs {
    /// The settings, without traces, which start later. Checks that the values fit together.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn settings(&self, tls: Option<Tls>, auth: Auth) -> Result<Settings, String> {
        at_most(("--default-deadline", self.default_deadline), ("--max-deadline", self.max_deadline))?;
        at_most(
            ("--aws-connect-timeout", self.aws_connect_timeout),
            ("--aws-attempt-timeout", self.aws_attempt_timeout),
        )?;
        Ok(Settings {
            tls,
            auth,
            deadlines: Deadlines { default: self.default_deadline, max: self.max_deadline },
            max_in_flight: self.max_in_flight.get(),
            poll: poller::Settings { interval: self.poll_interval, max_waiters: self.max_poll_waiters.get() },
            max_connections: self.max_connections.get(),
            max_connection_age: self.max_connection_age,
            shutdown_delay: self.shutdown_delay,
            drain_timeout: self.drain_timeout,
            reflection: self.reflection,
            aws: Limits {
                attempt_timeout: self.aws_attempt_timeout,
                connect_timeout: self.aws_connect_timeout,
                idle_timeout: self.aws_idle_timeout,
                max_attempts: self.aws_max_attempts.get(),
            },
            operations: OperationSet::all(),
            policy: Policy::default(),
            traces: Traces::default(),
        })
    }

    /// A warning for values that are valid and probably a mistake.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.drain_timeout < self.max_deadline).then(|| {
            let (drain, deadline) = (flag::<Self>("--drain-timeout"), flag::<Self>("--max-deadline"));
            format!(
                "{drain} is shorter than {deadline}: a shutdown can cancel calls before their deadline; \
                 use at least {:?}",
                self.max_deadline
            )
        })
    }
}

/// Checks that the first flag's time isn't longer than the second's.
fn at_most((name, time): (&str, Duration), (max_name, max): (&str, Duration)) -> Result<(), String> {
    if time <= max {
        return Ok(());
    }
    let (name, max_name) = (flag::<LimitArgs>(name), flag::<LimitArgs>(max_name));
    Err(format!("{name}: {time:?} is longer than {max_name}, which is {max:?}; use at most {max:?}"))
}
