//! The listener: accepts connections, serves HTTP/2 on them, and drains them at the end.
//!
//! tonic's own transport can't bound a drain (hyperium/hyper#4170) and gives up the connection's handle, so its
//! routes are served on hyper-util's connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::layers::Layers;
use super::{Settings, Shutdown};
use crate::telemetry::Metrics;

/// How long calls have to send their last answer once the drain time is over.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait when the process is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// An HTTP/1 caller is told where it is, and needs no longer to say so.
const HTTP1_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a connection may have open besides calls: health checks and reflection are never refused.
const SPARE_STREAMS: usize = 128;

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
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let calls = TaskTracker::new();
    let (begun, delay) = (shutdown.begun(), settings.shutdown_delay);
    let mut stop_accepting = pin!(async {
        begun.cancelled().await;
        tracing::info!(?delay, "shutting down: not ready, still accepting");
        tokio::select! {
            () = sleep(delay) => {}
            () = shutdown.at_once().cancelled_owned() => {}
        }
    });
    let streams = u32::try_from(settings.max_in_flight.saturating_add(SPARE_STREAMS)).unwrap_or(u32::MAX);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let http = http(Tracked(calls.clone()), streams);
                    metrics.connections.inc();
                    connections.spawn(connection(http, socket, peer, layers.clone(), graceful.watcher()));
                }
                Err(error) => survive(error).await?,
            },
            Some(_ended) = connections.join_next() => {
                metrics.connections.dec();
            }
            () = &mut stop_accepting => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = drain(graceful, settings.drain_timeout, drain_over) => tracing::info!("drained"),
        () = shutdown.at_once().cancelled_owned() => tracing::warn!("ended at once, without draining"),
    }
    connections.shutdown().await;
    calls.close();
    // What is left of them sees its connection gone; a bound, because nothing may hold the process.
    let _ = timeout(LAST_WORDS, calls.wait()).await;
    Ok(())
}

/// GOAWAY on every connection; what is still running when the time is over is told so and then cut off.
async fn drain(graceful: GracefulShutdown, limit: Duration, drain_over: CancellationToken) {
    tracing::info!(connections = graceful.count(), ?limit, "draining");
    let mut drained = pin!(graceful.shutdown());
    if timeout(limit, &mut drained).await.is_err() {
        tracing::warn!("the drain time is over; ending the calls that are still running");
        drain_over.cancel();
        let _ = timeout(LAST_WORDS, drained).await;
    }
}

async fn connection(
    http: auto::Builder<Tracked>,
    socket: TcpStream,
    peer: SocketAddr,
    layers: Layers,
    watcher: Watcher,
) {
    // Answers are one small frame; waiting for more to send with it only delays them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "can't set TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let layers = layers.clone();
        async move { Ok::<_, Infallible>(layers.answer(request, peer).await) }
    });
    let served = watcher.watch(http.serve_connection(TokioIo::new(socket), service).into_owned()).await;
    if let Err(error) = served {
        tracing::debug!(%peer, error, "the connection ended badly");
    }
}

fn http(executor: Tracked, max_streams: u32) -> auto::Builder<Tracked> {
    let mut http = auto::Builder::new(executor);
    // HTTP/1 is understood only to answer it with a sentence (see `layers`).
    http.http1().timer(TokioTimer::new()).header_read_timeout(HTTP1_HEADER_TIMEOUT).keep_alive(false);
    http.http2().timer(TokioTimer::new()).max_concurrent_streams(max_streams);
    http
}

/// Waits where waiting helps; gives up where the listener itself is lost.
async fn survive(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    // EMFILE, ENFILE and ENOBUFS have no stable `ErrorKind`.
    const EXHAUSTED: [i32; 3] = [24, 23, 105];
    match error.kind() {
        // That caller left before it was accepted.
        ConnectionAborted | ConnectionReset | Interrupted => Ok(()),
        kind if kind == OutOfMemory || error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code)) => {
            tracing::warn!(%error, "can't accept connections for now");
            sleep(EXHAUSTED_PAUSE).await;
            Ok(())
        }
        _ => Err(error),
    }
}

/// Runs the streams of HTTP/2 connections as tasks that somebody waits for.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}
