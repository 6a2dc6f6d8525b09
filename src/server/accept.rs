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
use super::layers::Layers;
use super::{Settings, Shutdown, Tls};
use crate::telemetry::Metrics;

/// How long calls have to send their last answer once the drain time is over.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait when the process is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the shutdown has begun and its delay is over, then drains.
///
/// # Errors
/// The listener was lost.
pub(super) async fn accept(
    listener: TcpListener,
    layers: Layers,
    settings: &Settings,
    metrics: &Metrics,
    shutdown: Shutdown,
    drain_over: CancellationToken,
) -> io::Result<()> {
    let (streams, draining) = (TaskTracker::new(), CancellationToken::new());
    let connections = Connections::new(layers, settings, streams.clone(), draining.clone());
    let mut open = JoinSet::new();
    let mut accepting_is_over = pin!(accepting_is_over(&shutdown, settings.shutdown_delay));
    let ended = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // Closed at once: a caller in the backlog would wait for an answer that never comes.
                Ok(_) if open.len() >= settings.max_connections => {
                    metrics.connections_refused.inc();
                }
                Ok((socket, peer)) => {
                    let acceptor = settings.tls.as_ref().map(Tls::acceptor);
                    open.spawn(connections.clone().handshake(undelayed(socket, peer), peer, acceptor));
                    metrics.connections.inc();
                }
                Err(error) => {
                    if let Err(lost) = survive(error).await {
                        tracing::error!(error = %lost, "lost the listener; draining");
                        shutdown.stop();
                        break Err(lost);
                    }
                }
            },
            Some(_ended) = open.join_next() => {
                metrics.connections.dec();
            }
            () = &mut accepting_is_over => break Ok(()),
        }
    };
    drop(listener);
    tracing::info!(connections = open.len(), limit = ?settings.drain_timeout, "draining");
    draining.cancel();
    tokio::select! {
        () = drain(&mut open, settings.drain_timeout, drain_over) => {}
        () = shutdown.at_once().cancelled_owned() => tracing::warn!("ended at once, without draining"),
    }
    open.shutdown().await;
    metrics.connections.set(0);
    streams.close();
    // What is left of them sees its connection gone; a bound, because nothing may hold the process.
    let _ = timeout(LAST_WORDS, streams.wait()).await;
    ended
}

/// The first word, and the delay after it, in which endpoints are withdrawn (kubernetes#43576); or the second word.
async fn accepting_is_over(shutdown: &Shutdown, delay: Duration) {
    shutdown.begun().cancelled_owned().await;
    tracing::info!(?delay, "shutting down: not ready, still accepting");
    tokio::select! {
        () = sleep(delay) => {}
        () = shutdown.at_once().cancelled_owned() => {}
    }
}

/// Waits for the connections to end; what is still running when the time is over is told so.
async fn drain(open: &mut JoinSet<()>, limit: Duration, drain_over: CancellationToken) {
    if timeout(limit, ended(open)).await.is_ok() {
        tracing::info!("drained");
        return;
    }
    tracing::warn!(
        connections = open.len(),
        "the drain time is over; ending the calls that are still running"
    );
    drain_over.cancel();
    let _ = timeout(LAST_WORDS, ended(open)).await;
}

async fn ended(open: &mut JoinSet<()>) {
    while open.join_next().await.is_some() {}
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
pub(crate) async fn survive(error: io::Error) -> io::Result<()> {
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
