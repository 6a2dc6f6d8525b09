//! Whether the gateway is ready, and why not: one answer for grpc.health.v1 and `/readyz`.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::KeyStatus;
use crate::codepipeline::CredentialStatus;

/// Whether callers should come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// They should.
    Ready,
    /// They should not, and this is why, in a sentence for an operator.
    NotReady(&'static str),
}

/// Ready while it has credentials and whatever keys callers are checked with, to the first shutdown signal. What AWS
/// answers never changes it: a gateway that is taken out for that could not tell its callers so. Runs until its owner
/// drops it.
pub(crate) async fn follow(
    readiness: watch::Sender<Readiness>,
    mut credentials: watch::Receiver<CredentialStatus>,
    mut keys: watch::Receiver<KeyStatus>,
    stopping: CancellationToken,
) {
    let shown = async {
        loop {
            readiness.send_replace(of(&credentials.borrow_and_update(), *keys.borrow_and_update()));
            tokio::select! {
                // Where nobody is left to change one of them, the other still counts.
                Ok(()) = credentials.changed() => {}
                Ok(()) = keys.changed() => {}
                else => std::future::pending().await,
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

fn of(credentials: &CredentialStatus, keys: KeyStatus) -> Readiness {
    // Why is for the log: whoever reaches the admin port may read this.
    match (credentials, keys) {
        (CredentialStatus::Held { .. }, KeyStatus::Ready) => Readiness::Ready,
        (CredentialStatus::Loading, _) => Readiness::NotReady("the AWS credentials are being loaded"),
        (CredentialStatus::Failed, _) => {
            Readiness::NotReady("no AWS credentials could be loaded; the log says why")
        }
        (_, KeyStatus::Loading) => Readiness::NotReady("the keys for bearer tokens are being loaded"),
        (_, KeyStatus::Failed) => {
            Readiness::NotReady("no keys for bearer tokens could be loaded; the log says why")
        }
        (_, KeyStatus::Stale) => {
            Readiness::NotReady("the keys for bearer tokens are too old; the log says why none are newer")
        }
    }
}
