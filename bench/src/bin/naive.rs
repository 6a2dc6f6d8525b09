//! `naive`: tonic and the AWS SDK, joined as their documentation shows: no limits, no metrics, no
//! log, and one code for every error. The gateway's features cost the difference to it.

use api::third_party_job_service_server::{ThirdPartyJobService, ThirdPartyJobServiceServer};
use api::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, JobStatus};
use aws_config::BehaviorVersion;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::error::DisplayErrorContext;
use clap::Parser;
use codepipeline_gateway_bench::listen::Listen;
use tonic::{Request, Response, Status};

mod api {
    tonic::include_proto!("codepipeline.thirdparty.v1");
}

// The gateway's allocator, so that no program differs by it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    listen: Listen,
}

struct Naive(Client);

#[tonic::async_trait]
impl ThirdPartyJobService for Naive {
    async fn acknowledge_third_party_job(
        &self,
        request: Request<AcknowledgeThirdPartyJobRequest>,
    ) -> Result<Response<AcknowledgeThirdPartyJobResponse>, Status> {
        let request = request.into_inner();
        let call = self
            .0
            .acknowledge_third_party_job()
            .job_id(request.job_id)
            .nonce(request.nonce)
            .client_token(request.client_token);
        let output =
            call.send().await.map_err(|error| Status::unknown(DisplayErrorContext(error).to_string()))?;
        let aws_status = output.status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        let known = if aws_status == "InProgress" { JobStatus::InProgress } else { JobStatus::Unspecified };
        Ok(Response::new(AcknowledgeThirdPartyJobResponse { status: known.into(), aws_status }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { listen } = Cli::parse();
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await);
    let mut server = listen.tonic_server()?;
    server.add_service(ThirdPartyJobServiceServer::new(Naive(client))).serve(listen.addr).await?;
    Ok(())
}
