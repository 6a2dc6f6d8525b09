//! `health`: asks a running gateway's `grpc.health.v1`, for probes and for people.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Stop, say};

/// The flags of `health`.
#[derive(clap::Args, Debug)]
pub(super) struct Health {
    /// Where the gateway's gRPC listens
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:50051")]
    addr: String,
    /// How long it may take to answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl Health {
    pub(super) async fn run(self) -> Result<(), Stop> {
        let bad = |error: &dyn std::fmt::Display| {
            Stop::Usage(format!("--addr: {:?} is not HOST:PORT: {error}", self.addr))
        };
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addr)).map_err(|error| bad(&error))?;
        if endpoint.uri().port().is_none() || endpoint.uri().path() != "/" {
            return Err(bad(&"one looks like localhost:50051"));
        }
        let ask = async {
            let channel =
                endpoint.connect().await.map_err(|_| "nothing that speaks gRPC answers there".to_owned())?;
            let asked = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
            asked.map(|answer| answer.into_inner().status()).map_err(|status| status.message().to_owned())
        };
        match tokio::time::timeout(self.timeout, ask).await {
            Ok(Ok(ServingStatus::Serving)) => say("SERVING"),
            Ok(Ok(status)) => Err(Stop::Failed(format!("{}: {}", self.addr, status.as_str_name()))),
            Ok(Err(reason)) => Err(Stop::Failed(format!("{}: {reason}", self.addr))),
            Err(_elapsed) => Err(Stop::Failed(format!("{}: no answer within {:?}", self.addr, self.timeout))),
        }
    }
}
