//! Decides whether the gateway is ready, for grpc.health.v1 and `/readyz` alike.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::KeyStatus;
use crate::codepipeline::CredentialStatus;

/// Whether the gateway is ready for calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It is ready.
    Ready,
    /// It isn't ready. The text is the reason, in a sentence for an operator.
    NotReady(&'static str),
}

/// Keeps the readiness up to date until the caller drops this future.
///
/// The gateway is ready while it has AWS credentials and the keys that authentication needs, until
/// the shutdown begins. AWS's responses don't change the readiness: a gateway without an endpoint
/// couldn't report AWS's errors to its callers.
pub(crate) async fn follow(
    readiness: watch::Sender<Readiness>,
    mut credentials: watch::Receiver<CredentialStatus>,
    mut keys: watch::Receiver<KeyStatus>,
    stopping: CancellationToken,
) {
    let updates = async {
        loop {
            readiness.send_replace(of(*credentials.borrow_and_update(), *keys.borrow_and_update()));
            tokio::select! {
                // A channel without a sender can't change any more. The other one still can.
                Ok(()) = credentials.changed() => {}
                Ok(()) = keys.changed() => {}
                else => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        () = stopping.cancelled() => {}
        () = updates => {}
    }
    readiness.send_replace(Readiness::NotReady("shutting down"));
    std::future::pending::<()>().await;
}

fn of(credentials: CredentialStatus, keys: KeyStatus) -> Readiness {
    // The cause is only in the log, because any client that reaches the admin port can read this.
    match (credentials, keys) {
        (CredentialStatus::Held, KeyStatus::Ready) => Readiness::Ready,
        (CredentialStatus::Loading, _) => Readiness::NotReady("the AWS credentials are being loaded"),
        (CredentialStatus::Failed, _) => Readiness::NotReady("no AWS credentials; see the log"),
        (_, KeyStatus::Loading) => Readiness::NotReady("the keys to verify bearer tokens are being loaded"),
        (_, KeyStatus::Failed) => Readiness::NotReady("no keys to verify bearer tokens; see the log"),
        (_, KeyStatus::Stale) => {
            Readiness::NotReady("the keys to verify bearer tokens are too old; see the log")
        }
    }
}
