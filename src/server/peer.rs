//! What one connection carries: the peer's identity, its tasks, its limits, and its closing signal.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::rt::Executor;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Identities;
use crate::telemetry::PeerAddress;

/// Streams that a connection can have open in addition to the limits of calls in flight and of
/// waiting calls: health checks, reflection, and calls that get an error for the limit instead of
/// waiting in their client library.
pub(super) const EXTRA_STREAMS: usize = 128;
/// The part of `EXTRA_STREAMS` that can be long-lived: health watches and reflection. A client
/// opens one of them; a proxy can multiplex several clients.
pub(super) const LONG_LIVED_STREAMS: usize = 16;

/// The client's side of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: PeerAddress,
    /// The names in the client certificate, if there is one.
    pub(super) identities: Identities,
    pub(super) limits: ConnectionLimits,
    pub(super) tasks: Tasks,
    /// Canceled when the connection starts to drain.
    pub(super) closing: CancellationToken,
}

impl Peer {
    pub(super) fn new(
        address: SocketAddr,
        identities: Identities,
        tasks: Tasks,
        closing: CancellationToken,
    ) -> Self {
        let (address, limits) = (PeerAddress::new(address), ConnectionLimits::new());
        Self { address, identities, limits, tasks, closing }
    }
}

/// Permits of one connection for health and reflection.
#[derive(Debug)]
pub(super) struct ConnectionLimits {
    /// For health watches and reflection.
    pub(super) long_lived: Arc<Semaphore>,
    /// For health checks.
    pub(super) checks: Arc<Semaphore>,
}

impl ConnectionLimits {
    fn new() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self { long_lived: permits(LONG_LIVED_STREAMS), checks: permits(EXTRA_STREAMS - LONG_LIVED_STREAMS) }
    }
}

/// Spawns the streams of one connection as tasks that the server awaits at its end.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    /// The tasks of all connections.
    all: TaskTracker,
    /// The tasks of this connection.
    pub(super) own: TaskTracker,
}

impl Tasks {
    pub(super) fn new(all: TaskTracker) -> Self {
        Self { all, own: TaskTracker::new() }
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        // In a box: the future of a stream has about 2 KiB, and each step of a spawn would move it.
        self.own.spawn(self.all.track_future(Box::pin(task)));
    }
}
