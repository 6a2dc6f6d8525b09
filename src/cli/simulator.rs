//! The subcommand `simulator`: runs the CodePipeline simulator alone, for tests of other projects.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use codepipeline_simulator::{Config, Job, Simulator, jobs};
use tokio::net::TcpListener;

use codepipeline_gateway::server::Shutdown;

use super::bind::bind;
use super::output::{CliError, print_line};
use super::serve::Signals;
use crate::config::address;

/// The flags of `simulator`.
#[derive(clap::Args, Debug)]
pub(super) struct Run {
    /// Address to listen on, different from that of dev's simulator; use loopback, because the
    /// control API has no authentication
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4600", value_parser = address)]
    addr: SocketAddr,
    /// JSON file with the first jobs [default: none]
    #[arg(long, value_name = "FILE")]
    jobs: Option<PathBuf>,
}

impl Run {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut config = Config::default();
        let jobs = match &self.jobs {
            Some(path) => read_jobs(path, &mut config)?,
            None => Vec::new(),
        };
        let (signals, shutdown) = (Signals::listen()?, Shutdown::new());
        let count = jobs.len();
        let simulator = start(bind(self.addr, "--addr").await?, config, jobs)?;
        print_line(format!("CodePipeline simulator with {count} jobs. Point any AWS SDK at it:"))?;
        print_line(format!(
            "  export AWS_ENDPOINT_URL_CODEPIPELINE={} AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1",
            simulator.endpoint_url()
        ))?;
        print_line(
            "  export AWS_ACCESS_KEY_ID=AKIAFAKEFAKEFAKEFAKE \
             AWS_SECRET_ACCESS_KEY=fake-secret-access-key-for-the-simulator",
        )?;
        print_line(format!(
            "Jobs and requests: curl {}/_simulator/jobs, curl {0}/_simulator/requests",
            simulator.endpoint_url()
        ))?;
        signals.forward(&shutdown, shutdown.begun().cancelled()).await;
        simulator.stop().await;
        Ok(())
    }
}

/// Starts a simulator with these jobs.
pub(super) fn start(listener: TcpListener, config: Config, jobs: Vec<Job>) -> Result<Simulator, CliError> {
    let simulator = Simulator::start(listener, config);
    let simulator =
        simulator.map_err(|error| CliError::Failed(format!("can't start the simulator: {error}")))?;
    for job in jobs {
        simulator.add_job(job);
    }
    Ok(simulator)
}

fn read_jobs(path: &Path, config: &mut Config) -> Result<Vec<Job>, CliError> {
    let invalid =
        |error: &dyn std::fmt::Display| CliError::Usage(format!("--jobs {}: {error}", path.display()));
    let file = jobs::from_json(&fs::read_to_string(path).map_err(|error| invalid(&error))?)
        .map_err(|error| invalid(&error))?;
    file.apply_to(config);
    Ok(file.jobs)
}
