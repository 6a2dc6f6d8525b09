//! `echo`: tonic alone. Its own server with its defaults has the gateway's service and an empty
//! method, so that a call costs only gRPC.

use api::third_party_job_service_server::{ThirdPartyJobService, ThirdPartyJobServiceServer};
use api::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, JobStatus};
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

struct Echo;

#[tonic::async_trait]
impl ThirdPartyJobService for Echo {
    async fn acknowledge_third_party_job(
        &self,
        _: Request<AcknowledgeThirdPartyJobRequest>,
    ) -> Result<Response<AcknowledgeThirdPartyJobResponse>, Status> {
        let status = JobStatus::InProgress.into();
        Ok(Response::new(AcknowledgeThirdPartyJobResponse { status, aws_status: "InProgress".into() }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { listen } = Cli::parse();
    let mut server = listen.tonic_server()?;
    server.add_service(ThirdPartyJobServiceServer::new(Echo)).serve(listen.addr).await?;
    Ok(())
}
