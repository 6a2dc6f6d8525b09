//! One connection's life: HTTP until it ends, grows too old, or the gateway shuts down; then GOAWAY, and its calls finish.

use std::convert::Infallible;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::ConnectionLimits;
use super::grpc_call::{GrpcCalls, Peer};
use super::http2::EXTRA_STREAMS;
use super::preface::{PrefaceIo, PrefaceSeen};
use super::{Settings, http2};
use crate::auth::Identities;

/// A connection that doesn't finish its handshakes in this time is closed.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// After GOAWAY a connection without calls has this long to end by itself; one whose caller has vanished never would
/// (hyperium/hyper#4170).
const GOAWAY_GRACE: Duration = Duration::from_secs(2);

/// How every connection is served.
#[derive(Clone)]
pub(super) struct Connections {
    grpc_calls: GrpcCalls,
    max_streams: u32,
    max_age: Duration,
    /// How long a call may take.
    max_deadline: Duration,
    /// The streams of all connections.
    streams: TaskTracker,
    /// Cancelled when the connections that were made with it have to end.
    closing: CancellationToken,
}

impl Connections {
    pub(super) fn new(grpc_calls: GrpcCalls, settings: &Settings, streams: TaskTracker) -> Self {
        let max_streams =
            u32::try_from(settings.max_in_flight.saturating_add(EXTRA_STREAMS)).unwrap_or(u32::MAX);
        let (max_age, max_deadline) = (settings.max_connection_age, settings.deadlines.max);
        Self { grpc_calls, max_streams, max_age, max_deadline, streams, closing: CancellationToken::new() }
    }

    /// GOAWAY on every connection that there is; those that come from now on aren't meant.
    pub(super) fn go_away(&mut self) {
        mem::take(&mut self.closing).cancel();
    }

    /// The TLS handshake, if there is TLS; then the connection, to its end.
    pub(super) async fn handshake(self, socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            return self.serve(socket, peer, Identities::default()).await;
        };
        // In a box: it is more than a kilobyte, which every future and every state of hyper's would hold a place for.
        let secured =
            timeout(HANDSHAKE_TIME, tls.accept(socket)).await.map(|accepted| accepted.map(Box::new));
        match secured {
            Ok(Ok(socket)) => {
                let leaf = socket.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let identities = leaf.map(Identities::of_certificate).unwrap_or_default();
                self.serve(socket, peer, identities).await;
            }
            Ok(Err(error)) => {
                self.grpc_calls.handshake_failed();
                tracing::debug!(%peer, %error, "the TLS handshake failed");
            }
            Err(_elapsed) => {
                self.grpc_calls.handshake_failed();
                tracing::debug!(%peer, "closed: no TLS handshake in time");
            }
        }
    }

    async fn serve(
        self,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        address: SocketAddr,
        identities: Identities,
    ) {
        let (socket, preface_seen) = PrefaceIo::new(socket);
        // What ends with the connection and not with a call: health watches, reflection.
        let closing = self.closing.child_token();
        let limits = ConnectionLimits::new();
        let calls = TaskTracker::new();
        let tasks = Tasks { all: self.streams.clone(), calls: calls.clone() };
        let peer =
            Arc::new(Peer { address, identities, limits, tasks: tasks.clone(), closing: closing.clone() });
        let service = service_fn(|request| {
            let (grpc_calls, peer) = (self.grpc_calls.clone(), peer.clone());
            async move { Ok::<_, Infallible>(grpc_calls.answer(request, &peer).await) }
        });
        let http = http2::connections(tasks, self.max_streams, HANDSHAKE_TIME);
        let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = overdue(&preface_seen) => {
                tracing::debug!(peer = %address, "closed: no HTTP/2 handshake in time");
                return;
            }
            () = closing.cancelled() => match wait_for_preface(connection.as_mut(), &preface_seen).await {
                Some(ended) => ended,
                None => finish(connection, &calls, self.max_deadline).await,
            },
            () = sleep(about(self.max_age)) => {
                closing.cancel();
                finish(connection, &calls, self.max_deadline).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %address, error, "the connection ended badly");
        }
    }
}

/// GOAWAY; then the calls that are under way. Each of them has its answer after `max_deadline` at the latest: a caller that
/// doesn't take its answer doesn't hold the connection.
async fn finish<C, E>(
    mut connection: Pin<&mut C>,
    calls: &TaskTracker,
    max_deadline: Duration,
) -> Result<(), E>
where
    C: GracefulConnection<Error = E>,
{
    connection.as_mut().graceful_shutdown();
    let no_calls_left = async {
        calls.close();
        // Until the caller has answered the PING that goes with GOAWAY, calls that were on their way begin.
        sleep(GOAWAY_GRACE).await;
        loop {
            calls.wait().await;
            // A call has ended when its answer is made: it is yet to be sent.
            sleep(GOAWAY_GRACE).await;
            if calls.is_empty() {
                return;
            }
        }
    };
    tokio::select! {
        ended = connection => ended,
        _over = timeout(2 * GOAWAY_GRACE + max_deadline, no_calls_left) => Ok(()),
    }
}

/// Gives one that has just connected a moment for its greeting, as hyper doesn't: it closes what hasn't preface_seen yet without
/// GOAWAY, and the caller's call fails. Gives how the connection ended, if it did.
async fn wait_for_preface<C: Future>(
    mut connection: Pin<&mut C>,
    preface_seen: &PrefaceSeen,
) -> Option<C::Output> {
    let preface = poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        // Only the connection reads what comes, so that nothing else could tell.
        Poll::Pending if preface_seen.get() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    timeout(GOAWAY_GRACE, preface).await.unwrap_or_default()
}

async fn overdue(preface_seen: &PrefaceSeen) {
    sleep(HANDSHAKE_TIME).await;
    if preface_seen.get() {
        std::future::pending::<()>().await;
    }
}

/// Ten percent more or less, so that connections that came together don't go together.
fn about(age: Duration) -> Duration {
    age.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Runs the streams of one connection as tasks that somebody waits for.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    all: TaskTracker,
    calls: TaskTracker,
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.calls.spawn(self.all.track_future(stream));
    }
}
