//! The subcommand `dev`: runs a gateway and a CodePipeline simulator on loopback, and prints
//! grpcurl lines with a job for each interesting outcome, and curl lines for a job's artifacts.

mod jobs;
mod lines;

use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::codepipeline::{Aws, FakeKeys, Source};
use codepipeline_gateway::gateway::Listeners;
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::proto::{ArtifactRequest, GetThirdPartyJobDetailsRequest};
use codepipeline_gateway::server::Shutdown;
use codepipeline_simulator::{AccessKey, Config};
use tokio::time::sleep;
use tonic::transport::Channel;

use self::jobs::{ARTIFACTS_JOB, ARTIFACTS_TOKEN, jobs};
use self::lines::{print_artifacts, print_calls};
use super::bind::bind;
use super::health::serving_channel;
use super::output::{CliError, print_line};
use super::serve::{Signals, gateway, log_warnings, security_warnings, start_logs};
use super::simulator;
use crate::config::{AccessArgs, LimitArgs, Logs, address};

/// Time for the log to write its waiting lines.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// The flags of `dev`.
#[derive(clap::Args, Debug)]
pub(super) struct Dev {
    /// Address of the gateway's gRPC port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = address)]
    grpc_addr: SocketAddr,
    /// Address of the gateway's admin port, which serves /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090", value_parser = address)]
    admin_addr: SocketAddr,
    /// Address of the simulator
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4599", value_parser = address)]
    simulator_addr: SocketAddr,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    logs: Logs,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut settings = self.limits.settings(None, Auth::None).map_err(CliError::Usage)?;
        self.access.apply_to(&mut settings);
        let _log = start_logs(&self.logs)?;
        let (signals, shutdown) = (Signals::listen()?, Shutdown::new());
        let simulator = simulator::start(
            bind(self.simulator_addr, "--simulator-addr").await?,
            Config::default(),
            jobs(),
        )?;
        let listeners = Listeners {
            grpc: bind(self.grpc_addr, "--grpc-addr").await?,
            admin: bind(self.admin_addr, "--admin-addr").await?,
        };
        let aws = Aws::load(source(simulator.endpoint_url())).await.map_err(CliError::failed)?;
        let address = listeners.grpc.local_addr().map_err(CliError::failed)?;
        let admin = listeners.admin.local_addr().map_err(CliError::failed)?;
        // Other machines can't reach a loopback address.
        if !address.ip().is_loopback() {
            log_warnings(security_warnings(&settings));
        }
        // The lines follow when the gateway serves, because a script can run them immediately.
        let print = async {
            let channel = serving_channel(address).await?;
            let artifacts = artifact_requests(channel).await;
            // The log's thread writes its lines first, so that these stay in view.
            sleep(LOG_PAUSE).await;
            print_line(format!(
                "Gateway on {address}, its probes and metrics on http://{admin}, \
                 CodePipeline simulator on {}. Ctrl-C stops all of them. Try:",
                simulator.addr()
            ))?;
            print_calls(address)?;
            if let Some((download, upload)) = artifacts {
                print_artifacts(&download, &upload)?;
            }
            std::future::pending().await
        };
        let work = async {
            tokio::select! {
                result = gateway(listeners, aws, settings, shutdown.clone()) => result,
                failed = print => failed,
            }
        };
        let result = signals.forward(&shutdown, work).await;
        simulator.stop().await;
        result
    }
}

/// The requests for an input and an output artifact; none if the gateway doesn't offer details.
async fn artifact_requests(channel: Channel) -> Option<(ArtifactRequest, ArtifactRequest)> {
    let request =
        GetThirdPartyJobDetailsRequest { job_id: ARTIFACTS_JOB.into(), client_token: ARTIFACTS_TOKEN.into() };
    let details = ThirdPartyJobServiceClient::new(channel).get_third_party_job_details(request).await;
    let data = details.ok()?.into_inner().job_details?.data?;
    let (input, output) =
        (data.input_artifacts.into_iter().next()?, data.output_artifacts.into_iter().next()?);
    Some((input.request?, output.request?))
}

fn source(endpoint_url: String) -> Source {
    let AccessKey { access_key_id, secret_access_key, session_token, expired: _ } = AccessKey::fake();
    let keys = FakeKeys { access_key_id, secret_access_key, session_token };
    Source::Fixed { region: "eu-west-1".into(), endpoint_url, keys: Some(keys) }
}
