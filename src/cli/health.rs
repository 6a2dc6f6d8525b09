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
        let uri = endpoint.uri();
        let plain = uri.path_and_query().is_none_or(|path| path == "/") && !self.addr.contains('@');
        if uri.port().is_none() || !plain || uri.host().is_none_or(str::is_empty) {
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

/// Returns once a gateway of this process serves.
#[cfg(feature = "simulator")]
pub(super) async fn until_serving(address: std::net::SocketAddr) -> Result<(), Stop> {
    let failed = |error: &dyn std::fmt::Display| Stop::Failed(format!("the gateway doesn't start: {error}"));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| failed(&error))?;
    let channel = endpoint.connect().await.map_err(|error| failed(&error))?;
    let request = HealthCheckRequest { service: String::new() };
    let watch =
        HealthClient::new(channel).watch(request).await.map_err(|status| failed(&status.message()))?;
    let mut watch = watch.into_inner();
    while let Some(status) = watch.message().await.map_err(|status| failed(&status.message()))? {
        if status.status() == ServingStatus::Serving {
            return Ok(());
        }
    }
    Err(failed(&"its health ended"))
}
