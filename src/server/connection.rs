//! One connection's life: HTTP until it ends, grows too old, or the gateway drains; then GOAWAY, and its calls finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::layers::{Layers, Peer};
use crate::auth::Identities;

/// A connection that doesn't finish its handshakes in this time is closed.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// HTTP/2's preface and the empty SETTINGS frame that has to follow it (RFC 9113, 3.4): nothing shorter is a client.
const HANDSHAKE_BYTES: usize = 24 + 9;
/// A caller that vanished without a word is noticed after one of these and a `PING_TIMEOUT`.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Header blocks over this are refused with 431; what callers send is a few hundred bytes and perhaps a token.
const MAX_HEADERS: u32 = 16 * 1024;
/// After GOAWAY a connection without calls has this long to end by itself; one whose caller has vanished never would
/// (hyperium/hyper#4170).
const GOODBYE: Duration = Duration::from_secs(2);
/// Streams that a connection may have open besides calls: health checks and reflection are never refused.
const SPARE_STREAMS: usize = 128;

/// How every connection is served.
#[derive(Clone)]
pub(super) struct Connections {
    layers: Layers,
    max_streams: u32,
    max_age: Duration,
    /// The streams of all connections.
    streams: TaskTracker,
    /// Cancelled when all connections have to end.
    draining: CancellationToken,
}

impl Connections {
    pub(super) fn new(
        layers: Layers,
        settings: &Settings,
        streams: TaskTracker,
        draining: CancellationToken,
    ) -> Self {
        let max_streams =
            u32::try_from(settings.max_in_flight.saturating_add(SPARE_STREAMS)).unwrap_or(u32::MAX);
        Self { layers, max_streams, max_age: settings.max_connection_age, streams, draining }
    }

    fn http(&self, calls: Calls) -> auto::Builder<Tracked> {
        let mut http = auto::Builder::new(Tracked { all: self.streams.clone(), calls });
        // HTTP/1 is understood only to answer it with a sentence (see `layers`).
        http.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIME).keep_alive(false);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(MAX_HEADERS)
            .max_concurrent_streams(self.max_streams);
        http
    }

    /// The TLS handshake, if there is TLS; then the connection, to its end.
    pub(super) async fn handshake(self, socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            return self.serve(socket, Peer { address: peer, identities: Identities::default() }).await;
        };
        match timeout(HANDSHAKE_TIME, tls.accept(socket)).await {
            Ok(Ok(socket)) => {
                let leaf = socket.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let identities = leaf.map(Identities::of_certificate).unwrap_or_default();
                self.serve(socket, Peer { address: peer, identities }).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_elapsed) => tracing::debug!(%peer, "closed: no TLS handshake in time"),
        }
    }

    async fn serve(self, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let greeted = Arc::new(AtomicBool::new(false));
        let socket = Greeting { socket, left: HANDSHAKE_BYTES, greeted: greeted.clone() };
        // What ends with the connection and not with a call: health watches, reflection.
        let closing = self.draining.child_token();
        let peer = Arc::new(peer);
        let service = service_fn(|request| {
            let (layers, peer, closing) = (self.layers.clone(), peer.clone(), closing.clone());
            async move { Ok::<_, Infallible>(layers.answer(request, &peer, closing).await) }
        });
        let calls = Calls::default();
        let http = self.http(calls.clone());
        let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = overdue(&greeted) => {
                tracing::debug!(peer = %peer.address, "closed: no HTTP/2 handshake in time");
                return;
            }
            () = closing.cancelled() => finish(connection, &calls).await,
            () = sleep(about(self.max_age)) => {
                closing.cancel();
                finish(connection, &calls).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.address, error, "the connection ended badly");
        }
    }
}

/// GOAWAY; then the calls that are under way.
async fn finish<C, E>(mut connection: Pin<&mut C>, calls: &Calls) -> Result<(), E>
where
    C: GracefulConnection<Error = E>,
{
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => ended,
        () = calls.over_for(GOODBYE) => Ok(()),
    }
}

async fn overdue(greeted: &AtomicBool) {
    sleep(HANDSHAKE_TIME).await;
    if greeted.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Ten percent more or less, so that connections that came together don't go together.
fn about(age: Duration) -> Duration {
    age.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Notes when the client's greeting has come. hyper reads it without a time limit, and doesn't tell when it has it.
struct Greeting<S> {
    socket: S,
    left: usize,
    greeted: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if self.left > 0 {
            self.left = self.left.saturating_sub(buffer.filled().len() - before);
            self.greeted.store(self.left == 0, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The calls of one connection.
#[derive(Clone, Default)]
struct Calls {
    running: TaskTracker,
    begun: Arc<AtomicUsize>,
}

impl Calls {
    /// Returns when none has run for this time. A call's end isn't enough: its answer still waits to be written.
    async fn over_for(&self, time: Duration) {
        self.running.close();
        loop {
            self.running.wait().await;
            let begun = self.begun.load(Ordering::Relaxed);
            sleep(time).await;
            if begun == self.begun.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Runs the streams of one connection as tasks that somebody waits for.
#[derive(Clone)]
struct Tracked {
    all: TaskTracker,
    calls: Calls,
}

impl<F> Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.calls.begun.fetch_add(1, Ordering::Relaxed);
        self.calls.running.spawn(self.all.track_future(stream));
    }
}
