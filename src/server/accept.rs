//! The listener: accepts connections within their limit, and drains them at the end.
//!
//! tonic's own transport can't bound a drain (hyperium/hyper#4170), cuts aged connections without GOAWAY
//! (grpc-rust#2877) and gives up the connection's handle, so its routes are served on hyper-util's connections.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connections;
use super::grpc_call::GrpcCalls;
use super::{Settings, Shutdown, Tls};
use crate::telemetry::Metrics;

/// How long calls have to send their last answer once the drain time is over.
const FINAL_RESPONSE_GRACE: Duration = Duration::from_secs(1);
/// How long to wait when the process is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the shutdown has begun and its delay is over, then drains.
///
/// # Errors
/// The listener was lost.
pub(super) async fn accept(
    listener: TcpListener,
    grpc_calls: GrpcCalls,
    settings: &Settings,
    metrics: &Metrics,
    shutdown: Shutdown,
    drain_over: CancellationToken,
) -> io::Result<()> {
    let streams = TaskTracker::new();
    let connections = Connections::new(grpc_calls, settings, streams.clone());
    let mut accepting = Accepting { listener, connections, open: JoinSet::new(), settings, metrics };
    let ended = accepting.until_delay_is_over(&shutdown).await;
    if let Err(lost) = &ended {
        tracing::error!(error = %lost, "lost the listener; draining");
        shutdown.begin();
    }
    let Accepting { listener, mut connections, mut open, .. } = accepting;
    drop(listener);
    tracing::info!(connections = open.len(), limit = ?settings.drain_timeout, "draining");
    connections.go_away();
    drain(&mut open, metrics, settings.drain_timeout, &shutdown, drain_over).await;
    open.shutdown().await;
    metrics.connections.set(0);
    streams.close();
    // What is left of them sees its connection gone; a bound, because nothing may hold the process.
    let _ = timeout(FINAL_RESPONSE_GRACE, streams.wait()).await;
    ended
}

/// While the port is open.
struct Accepting<'a> {
    listener: TcpListener,
    connections: Connections,
    open: JoinSet<()>,
    settings: &'a Settings,
    metrics: &'a Metrics,
}

impl Accepting<'_> {
    /// To the first word, and through the delay after it, in which endpoints are withdrawn (kubernetes#43576). GOAWAY comes
    /// half way through it: it makes callers ask where else to go, and until they have an answer they come back here.
    async fn until_delay_is_over(&mut self, shutdown: &Shutdown) -> io::Result<()> {
        let delay = self.settings.shutdown_delay;
        self.accept_until(shutdown.begun().cancelled_owned()).await?;
        tracing::info!(?delay, "shutting down: not ready, still accepting");
        if delay.is_zero() {
            return Ok(());
        }
        self.accept_until(pause(delay / 2, shutdown)).await?;
        if !self.open.is_empty() {
            tracing::info!(connections = self.open.len(), "sending GOAWAY, still accepting");
        }
        self.connections.go_away();
        self.accept_until(pause(delay / 2, shutdown)).await
    }

    async fn accept_until(&mut self, over: impl Future<Output = ()>) -> io::Result<()> {
        let mut over = pin!(over);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => self.take(socket, peer),
                    Err(error) => handle_accept_error(error).await?,
                },
                Some(_ended) = self.open.join_next() => {
                    self.metrics.connections.dec();
                }
                () = &mut over => return Ok(()),
            }
        }
    }

    fn take(&mut self, socket: TcpStream, peer: SocketAddr) {
        // Closed at once: a caller in the backlog would wait for an answer that never comes.
        if self.open.len() >= self.settings.max_connections {
            self.metrics.connections_refused.inc();
            return;
        }
        let acceptor = self.settings.tls.as_ref().map(Tls::acceptor);
        self.open.spawn(self.connections.clone().handshake(undelayed(socket, peer), peer, acceptor));
        self.metrics.connections.inc();
    }
}

/// That time, or until the second word.
async fn pause(time: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = sleep(time) => {}
        () = shutdown.at_once().cancelled_owned() => {}
    }
}

/// Waits for the connections to end; calls that are still running when the time is over, or nobody waits any longer, are
/// told so.
async fn drain(
    open: &mut JoinSet<()>,
    metrics: &Metrics,
    limit: Duration,
    shutdown: &Shutdown,
    drain_over: CancellationToken,
) {
    let why = tokio::select! {
        () = ended(open, metrics) => {
            tracing::info!("drained");
            return;
        }
        () = sleep(limit) => "the drain time is over",
        () = shutdown.at_once().cancelled_owned() => "told to end at once",
    };
    tracing::warn!(connections = open.len(), "{why}: ending the calls that are still running");
    drain_over.cancel();
    let _ = timeout(FINAL_RESPONSE_GRACE, ended(open, metrics)).await;
}

async fn ended(open: &mut JoinSet<()>, metrics: &Metrics) {
    while open.join_next().await.is_some() {
        metrics.connections.dec();
    }
}

/// Answers are one small frame; waiting for more to send with it only delays them.
fn undelayed(socket: TcpStream, peer: SocketAddr) -> TcpStream {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "can't set TCP_NODELAY");
    }
    socket
}

/// Waits where waiting helps; gives up where the listener itself is lost.
///
/// accept(2) also returns what is wrong with the connection that it would have returned, and says to go on then.
pub(crate) async fn handle_accept_error(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput};
    // EBADF, ENOTSOCK and EOPNOTSUPP have no stable `ErrorKind`.
    const NO_LISTENER: [i32; 3] = [9, 88, 95];
    match error.kind() {
        // That caller left before it was accepted.
        ConnectionAborted | ConnectionReset | Interrupted => Ok(()),
        kind if kind == InvalidInput
            || error.raw_os_error().is_some_and(|code| NO_LISTENER.contains(&code)) =>
        {
            Err(error)
        }
        // Out of file descriptors or memory, or a network that refuses: not for ever.
        _ => {
            tracing::warn!(%error, "can't accept connections for now");
            sleep(EXHAUSTED_PAUSE).await;
            Ok(())
        }
    }
}
