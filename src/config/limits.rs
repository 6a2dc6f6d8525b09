//! The flags for deadlines, limits, shutdown, and attempts at AWS.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::call::Deadlines;
use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::gateway::Settings;
use codepipeline_gateway::operations::{OperationSet, Policy};
use codepipeline_gateway::server::Tls;
use codepipeline_gateway::telemetry::Traces;

use super::flag::flag;
use super::parse::{at_least_one, duration, positive};

/// Deadlines, limits, shutdown, and attempts at AWS.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Deadline of a call whose caller sends none
    #[arg(long, env = "GATEWAY_DEFAULT_DEADLINE", value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = positive)]
    default_deadline: Duration,
    /// Longest deadline; a caller's longer one is cut to it
    #[arg(long, env = "GATEWAY_MAX_DEADLINE", value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = positive)]
    max_deadline: Duration,
    /// Calls in flight over all connections; one more is refused at once
    #[arg(long, env = "GATEWAY_MAX_IN_FLIGHT", value_name = "N", default_value = "1024")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroUsize>)]
    max_in_flight: NonZeroUsize,
    /// Open connections; one more is closed at once
    #[arg(long, env = "GATEWAY_MAX_CONNECTIONS", value_name = "N", default_value = "10000")]
    #[arg(allow_negative_numbers = true, value_parser = at_least_one::<NonZeroUsize>)]
    max_connections: NonZeroUsize,
    /// How long a connection lives, 10 % more or less; then GOAWAY, and its calls finish
    #[arg(long, env = "GATEWAY_MAX_CONNECTION_AGE", value_name = "TIME", default_value = "5m")]
    #[arg(value_parser = positive)]
    max_connection_age: Duration,
    /// How long it still accepts after the first SIGTERM or SIGINT, while its endpoints are
    /// withdrawn; GOAWAY half way
    #[arg(long, env = "GATEWAY_SHUTDOWN_DELAY", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = duration)]
    shutdown_delay: Duration,
    /// How long calls in flight may then take
    #[arg(long, env = "GATEWAY_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = duration)]
    drain_timeout: Duration,
    /// Server reflection, v1 and v1alpha
    #[arg(long, env = "GATEWAY_REFLECTION", value_name = "BOOL", default_value = "true")]
    #[arg(action = clap::ArgAction::Set)]
    reflection: bool,
    /// How long one attempt at AWS may take, connecting included
    #[arg(long, env = "GATEWAY_AWS_ATTEMPT_TIMEOUT", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = positive)]
    aws_attempt_timeout: Duration,
    /// How long connecting to AWS may take
    #[arg(long, env = "GATEWAY_AWS_CONNECT_TIMEOUT", value_name = "TIME", default_value = "2s")]
    #[arg(value_parser = positive)]
    aws_connect_timeout: Duration,
    /// How long an idle connection to AWS stays open
    #[arg(long, env = "GATEWAY_AWS_IDLE_TIMEOUT", value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = positive)]
    aws_idle_timeout: Duration,
    /// Attempts at AWS a call makes at most; repeated is only what provably did nothing, and a read
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
            format!("{drain} is shorter than {deadline}: a shutdown cuts off calls that still have time")
        })
    }
}

/// Checks that the first flag's time isn't longer than the second's.
fn at_most((name, time): (&str, Duration), (max_name, max): (&str, Duration)) -> Result<(), String> {
    if time <= max {
        return Ok(());
    }
    let (name, max_name) = (flag::<LimitArgs>(name), flag::<LimitArgs>(max_name));
    Err(format!("{name} is {time:?}, longer than {max_name}, which is {max:?}"))
}
