//! A gateway whose CodePipeline port panics: the only fake of the port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use codepipeline_gateway::call::Call;
use codepipeline_gateway::codepipeline::{AwsOperation, CodePipeline, CredentialStatus};
use codepipeline_gateway::error::{AwsResponse, Failure};
use codepipeline_gateway::gateway::{Backend, Listeners, serve};
use codepipeline_gateway::server::Shutdown;
use codepipeline_gateway::telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{NONCE, REGION, loopback, settings};

struct Panicking {
    after_an_attempt: bool,
}

impl CodePipeline for Panicking {
    async fn call<O: AwsOperation>(&self, _: &O, call: &Call) -> Result<(O::Output, AwsResponse), Failure> {
        if self.after_an_attempt {
            call.progress().attempt_started(|| false);
        }
        panic!("a bug, holding {NONCE}");
    }
}

/// Starts a gateway that panics in every call, before or after an attempt begins.
pub async fn panicking_gateway(after_an_attempt: bool) -> (SocketAddr, Shutdown, JoinHandle<io::Result<()>>) {
    let listeners = Listeners { grpc: loopback().await, admin: loopback().await };
    let address = listeners.grpc.local_addr().unwrap();
    let (shutdown, status) = (Shutdown::new(), watch::Sender::new(CredentialStatus::Held));
    let codepipeline = Panicking { after_an_attempt };
    let backend = Backend { codepipeline, region: REGION.into(), credentials: status.subscribe() };
    let served = serve(listeners, backend, settings(), Arc::new(Metrics::new()), shutdown.clone());
    let served = tokio::spawn(async move {
        // The gateway must not notice a lost sender.
        let _status = status;
        served.await
    });
    (address, shutdown, served)
}
