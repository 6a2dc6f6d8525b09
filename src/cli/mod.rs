//! Parses the command line and runs the subcommand.

mod aws_env;
mod bind;
mod check;
#[cfg(feature = "simulator")]
mod dev;
mod gateway_env;
mod health;
mod output;
mod serve;
#[cfg(feature = "simulator")]
mod simulator;
mod usage;

use std::io;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use output::CliError;

const AFTER_HELP: &str = "\
The gateway reads the AWS region, endpoint, credentials, and proxies from the AWS SDK's standard variables
and files, such as AWS_REGION, AWS_PROFILE, and AWS_ENDPOINT_URL_CODEPIPELINE.

Exit codes:
  0   Success.
  1   serve: the gateway can't start, or lost a listener. health: the gateway isn't ready.
      check: no credentials, or no verification keys.
  64  Bad usage or configuration.";

/// A gRPC gateway to AWS CodePipeline's third-party job API.
#[derive(Parser, Debug)]
#[command(
    name = "codepipeline-gateway",
    version,
    max_term_width = 110,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway
    Serve(serve::Serve),
    /// Validate the configuration of serve, and print it redacted, with the AWS region, endpoint,
    /// and credentials
    ///
    /// The command doesn't call CodePipeline. With --auth jwt, it loads the verification keys.
    Check(serve::Serve),
    /// Print the health of a running gateway; the exit code is 0 if the gateway serves
    Health(health::Health),
    /// Run a gateway and a CodePipeline simulator on loopback, and print grpcurl lines to try
    #[cfg(feature = "simulator")]
    Dev(dev::Dev),
    /// Run the CodePipeline simulator alone, for your own tests
    #[cfg(feature = "simulator")]
    Simulator(simulator::Run),
}

/// Parses the command line and the environment, and runs the subcommand.
pub(crate) fn run() -> Result<(), CliError> {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            return match error.print() {
                // A pager or `head` needs no more of it.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                printed => printed.map_err(CliError::failed),
            };
        }
        Err(error) => {
            let (all, given) = (command(), std::env::args_os().nth(1).unwrap_or_default());
            return Err(CliError::Usage(usage::line(&error, all.find_subcommand(given).unwrap_or(&all))));
        }
    };
    match cli.command {
        Command::Serve(serve) => block_on(serve.run()),
        Command::Check(serve) => block_on(check::run(serve)),
        Command::Health(health) => block_on(health.run()),
        #[cfg(feature = "simulator")]
        Command::Dev(dev) => block_on(dev.run()),
        #[cfg(feature = "simulator")]
        Command::Simulator(simulator) => block_on(simulator.run()),
    }
}

fn command() -> clap::Command {
    let command = Cli::command();
    // `dev` has no load balancer that must notice the shutdown, so Ctrl-C ends it immediately. The
    // lines of reflection calls would push its own lines out of view.
    #[cfg(feature = "simulator")]
    let command = command.mut_subcommand("dev", |dev| {
        dev.mut_arg("shutdown_delay", |delay| delay.default_value("0s"))
            .mut_arg("log_level", |level| level.default_value("info,codepipeline_gateway::reflection=warn"))
    });
    command
}

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    // As many workers as the cgroup's CPU quota has CPUs (`available_parallelism`).
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("can't start the runtime: {error}")))?;
    let result = runtime.block_on(work);
    // A name lookup or a read of a file can hang, and can't be canceled, so the exit doesn't wait.
    runtime.shutdown_background();
    result
}
