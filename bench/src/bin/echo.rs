//! `echo`: tonic alone. Its own server with its defaults has the gateway's service and an empty
//! method, so that a call costs only gRPC.

use std::net::SocketAddr;
use std::path::PathBuf;

use api::third_party_job_service_server::{ThirdPartyJobService, ThirdPartyJobServiceServer};
use api::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, JobStatus};
use clap::Parser;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

mod api {
    tonic::include_proto!("codepipeline.thirdparty.v1");
}

// The gateway's allocator, so that no program differs by it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser, Debug)]
struct Cli {
    /// Where to listen
    #[arg(long)]
    addr: SocketAddr,
    /// Folder with `server.pem` and `server-key.pem`: serve TLS
    #[arg(long)]
    tls: Option<PathBuf>,
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
    let cli = Cli::parse();
    let mut server = Server::builder();
    if let Some(folder) = cli.tls {
        let read = |name| std::fs::read(folder.join(name));
        let identity = Identity::from_pem(read("server.pem")?, read("server-key.pem")?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    server.add_service(ThirdPartyJobServiceServer::new(Echo)).serve(cli.addr).await?;
    Ok(())
}
