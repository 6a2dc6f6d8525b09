//! Whether the gateway is ready, and why not: one answer for grpc.health.v1 and `/readyz`.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::codepipeline::CredentialStatus;

/// Whether callers should come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// They should.
    Ready,
    /// They should not, and this is why, in a sentence for an operator.
    NotReady(&'static str),
}

/// Ready from the first loaded credentials to the first shutdown signal. What AWS answers never changes it: a gateway
/// that is taken out for that could not tell its callers so. Runs until its owner drops it.
pub(crate) async fn follow(
    readiness: watch::Sender<Readiness>,
    mut credentials: watch::Receiver<CredentialStatus>,
    stopping: CancellationToken,
) {
    let shown = async {
        loop {
            readiness.send_replace(of(&credentials.borrow_and_update()));
            if credentials.changed().await.is_err() {
                // Nobody is left to load any.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = stopping.cancelled() => {}
        () = shown => {}
    }
    readiness.send_replace(Readiness::NotReady("shutting down"));
    std::future::pending::<()>().await;
}

fn of(credentials: &CredentialStatus) -> Readiness {
    match credentials {
        CredentialStatus::Held { .. } => Readiness::Ready,
        CredentialStatus::Loading => Readiness::NotReady("the AWS credentials are being loaded"),
        // Why is for the log: whoever reaches the admin port may read this.
        CredentialStatus::Failed => {
            Readiness::NotReady("no AWS credentials could be loaded; the log says why")
        }
    }
}
