//! Accepts connections up to their limit, and drains them at the shutdown.
//!
//! tonic's own transport can't limit the drain (hyperium/hyper#4170), cuts aged connections without
//! GOAWAY (grpc-rust#2877), and doesn't give access to a connection. So this server runs tonic's
//! routes on hyper-util's connections.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::connection::Connections;
use super::grpc_call::GrpcCalls;
use super::settings::Settings;
use super::shutdown::Shutdown;
use super::tls::Tls;
use crate::util::accept::handle_accept_error;

/// Maximum time for calls to send their last response after the drain timeout.
const FINAL_RESPONSE_GRACE: Duration = Duration::from_secs(1);

/// Accepts connections until the shutdown delay is over, then drains them.
///
/// # Errors
/// The listener is lost.
pub(super) async fn accept(
    listener: TcpListener,
    grpc_calls: GrpcCalls,
    settings: &Settings,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let tasks = TaskTracker::new();
    let connections = Connections::new(grpc_calls.clone(), settings, tasks.clone());
    let mut acceptor = Acceptor { grpc_calls, connections, open: JoinSet::new(), settings };
    let ended = acceptor.accept_until_delay_is_over(&listener, shutdown).await;
    if let Err(error) = &ended {
        tracing::error!(%error, "lost the gRPC listener; shutting down");
        shutdown.begin();
    }
    drop(listener);
    acceptor.drain(shutdown).await;
    tasks.close();
    // The tasks end with their connections. The limit is there so that none of them holds the
    // process.
    let _ = timeout(FINAL_RESPONSE_GRACE, tasks.wait()).await;
    ended
}

/// The open connections.
struct Acceptor<'a> {
    grpc_calls: GrpcCalls,
    connections: Connections,
    open: JoinSet<()>,
    settings: &'a Settings,
}

impl Acceptor<'_> {
    /// Accepts until the first signal, and through the delay while Kubernetes withdraws the
    /// endpoint (kubernetes#43576).
    ///
    /// Halfway through the delay, it sends GOAWAY. Clients then resolve the service again, and can
    /// still reconnect here until the new addresses arrive.
    async fn accept_until_delay_is_over(
        &mut self,
        listener: &TcpListener,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        let delay = self.settings.shutdown_delay;
        self.accept_until(listener, shutdown.begun().cancelled_owned()).await?;
        tracing::info!(?delay, "shutting down: not ready, still accepting");
        if delay.is_zero() {
            return Ok(());
        }
        self.accept_until(listener, pause(delay / 2, shutdown)).await?;
        if !self.open.is_empty() {
            tracing::info!(connections = self.open.len(), "sending GOAWAY, still accepting");
        }
        self.connections.go_away();
        self.accept_until(listener, pause(delay / 2, shutdown)).await
    }

    async fn accept_until(
        &mut self,
        listener: &TcpListener,
        over: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut over = pin!(over);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, address)) => self.spawn(socket, address),
                    Err(error) => handle_accept_error(error).await?,
                },
                Some(_ended) = self.open.join_next() => {
                    self.grpc_calls.metrics().connections.dec();
                }
                () = &mut over => return Ok(()),
            }
        }
    }

    fn spawn(&mut self, socket: TcpStream, address: SocketAddr) {
        let metrics = self.grpc_calls.metrics();
        // Closed immediately. In the backlog, the client would wait without a response.
        if self.open.len() >= self.settings.max_connections {
            metrics.connections_refused.inc();
            return;
        }
        metrics.connections.inc();
        let tls = self.settings.tls.as_ref().map(Tls::acceptor);
        self.open.spawn(self.connections.clone().serve(without_delay(socket, address), address, tls));
    }

    /// Drains the connections. After the drain timeout or the second signal, ends the running calls
    /// with an error.
    async fn drain(&mut self, shutdown: &Shutdown) {
        let limit = self.settings.drain_timeout;
        tracing::info!(connections = self.open.len(), ?limit, "draining");
        self.connections.go_away();
        let why = tokio::select! {
            () = self.all_ended() => {
                tracing::info!("drained");
                return;
            }
            () = sleep(limit) => "drain timeout",
            () = shutdown.immediate().cancelled_owned() => "second signal",
        };
        tracing::warn!(why, connections = self.open.len(), "ending the calls that are still in flight");
        self.grpc_calls.end_running();
        let _ = timeout(FINAL_RESPONSE_GRACE, self.all_ended()).await;
        self.open.shutdown().await;
        self.grpc_calls.metrics().connections.set(0);
    }

    async fn all_ended(&mut self) {
        while self.open.join_next().await.is_some() {
            self.grpc_calls.metrics().connections.dec();
        }
    }
}

/// Waits, but no longer than until the second signal.
async fn pause(time: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = sleep(time) => {}
        () = shutdown.immediate().cancelled_owned() => {}
    }
}

/// Disables Nagle's algorithm. A response is one small frame and must not wait for more data.
fn without_delay(socket: TcpStream, address: SocketAddr) -> TcpStream {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(peer = %address, %error, "can't set TCP_NODELAY");
    }
    socket
}
