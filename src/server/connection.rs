//! Runs one connection through its states: handshaking, serving, draining.
//!
//! It drains when it is too old or the gateway shuts down: it sends GOAWAY, and its calls finish.

use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::grpc_call::GrpcCalls;
use super::http2::{self, HANDSHAKE_TIME};
use super::peer::{EXTRA_STREAMS, Peer, Tasks};
use super::preface::{PrefaceIo, PrefaceSeen};
use super::settings::Settings;
use super::stack::stack;
use crate::auth::Identities;
use crate::util::backoff::jitter;

/// Maximum time for a connection without calls to end after GOAWAY. If its client has vanished,
/// hyper waits without a limit (hyperium/hyper#4170).
const GOAWAY_GRACE: Duration = Duration::from_secs(2);
/// Random part of a connection's age, so that connections opened together don't end together.
const AGE_JITTER: f64 = 0.1;

/// Serves connections.
#[derive(Clone)]
pub(super) struct Connections {
    grpc_calls: GrpcCalls,
    max_streams: u32,
    max_age: Duration,
    /// The longest deadline of a call.
    max_deadline: Duration,
    /// The tasks of all connections.
    tasks: TaskTracker,
    /// Canceled when the connections that have a clone of it must drain.
    closing: CancellationToken,
}

impl Connections {
    pub(super) fn new(grpc_calls: GrpcCalls, settings: &Settings, tasks: TaskTracker) -> Self {
        let calls = settings.max_in_flight.saturating_add(settings.max_poll_waiters);
        let max_streams = u32::try_from(calls.saturating_add(EXTRA_STREAMS)).unwrap_or(u32::MAX);
        let (max_age, max_deadline) = (settings.max_connection_age, settings.deadlines.max);
        Self { grpc_calls, max_streams, max_age, max_deadline, tasks, closing: CancellationToken::new() }
    }

    /// Drains the connections that are open now, but not those that are accepted later.
    pub(super) fn go_away(&mut self) {
        mem::take(&mut self.closing).cancel();
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(self, socket: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            return self.serve_http(socket, self.peer(address, Identities::default())).await;
        };
        if let Some(socket) = self.accept_tls(&tls, socket, address).await {
            let leaf = socket.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let identities = leaf.map(Identities::of_certificate).unwrap_or_default();
            self.serve_http(socket, self.peer(address, identities)).await;
        }
    }

    fn peer(&self, address: SocketAddr, identities: Identities) -> Arc<Peer> {
        let (tasks, closing) = (Tasks::new(self.tasks.clone()), self.closing.child_token());
        Arc::new(Peer::new(address, identities, tasks, closing))
    }

    /// Accepts a TLS connection, if its handshake succeeds in time.
    ///
    /// The stream is boxed. It has over 1 KiB, and every future and state around it would have room
    /// for it.
    async fn accept_tls(
        &self,
        tls: &TlsAcceptor,
        socket: TcpStream,
        address: SocketAddr,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        match timeout(HANDSHAKE_TIME, tls.accept(socket)).await {
            Ok(Ok(socket)) => return Some(Box::new(socket)),
            Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS handshake failed"),
            Err(_elapsed) => tracing::debug!(peer = %address, "TLS handshake timed out"),
        }
        self.grpc_calls.metrics().handshakes_failed.inc();
        None
    }

    async fn serve_http(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Arc<Peer>,
    ) {
        let (socket, preface_seen) = PrefaceIo::new(socket);
        let service = stack(peer.tasks.clone(), self.grpc_calls.clone().service(peer.clone()));
        let http = http2::connections(peer.tasks.clone(), self.max_streams);
        let connection = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        if let Err(error) = self.run(pin!(connection), &peer, &preface_seen).await {
            tracing::debug!(peer = %peer.address, error, "connection failed");
        }
    }

    /// Runs a connection through its states.
    async fn run<C, E>(
        &self,
        mut connection: Pin<&mut C>,
        peer: &Peer,
        preface_seen: &PrefaceSeen,
    ) -> Result<(), E>
    where
        C: GracefulConnection<Error = E>,
    {
        let expires = Instant::now() + jitter(self.max_age, AGE_JITTER);
        // Handshaking.
        let ended = tokio::select! {
            ended = handshake(connection.as_mut(), preface_seen) => ended,
            () = sleep(HANDSHAKE_TIME) => {
                tracing::debug!(peer = %peer.address, "HTTP/2 connection preface timed out");
                return Ok(());
            }
            // hyper-util closes a connection without GOAWAY if its preface hasn't arrived, and the
            // client's first call fails. No upstream issue asks for the grace period that it gets
            // here.
            () = must_drain(peer, expires) => {
                let handshake = handshake(connection.as_mut(), preface_seen);
                timeout(GOAWAY_GRACE, handshake).await.unwrap_or_default()
            }
        };
        if let Some(ended) = ended {
            return ended;
        }
        // Serving.
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = must_drain(peer, expires) => {}
        }
        // Draining.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            // A client that doesn't read its response can't hold the connection.
            _ = timeout(2 * GOAWAY_GRACE + self.max_deadline, calls_ended(&peer.tasks.own)) => Ok(()),
        }
    }
}

/// Returns when the preface has arrived, or with the connection's result if the connection ended.
async fn handshake<C: Future>(mut connection: Pin<&mut C>, preface_seen: &PrefaceSeen) -> Option<C::Output> {
    poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        // Only the connection reads from the socket, so its poll is also the time to check this.
        Poll::Pending if preface_seen.get() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Returns when the connection must drain: the gateway shuts down, or the connection is too old.
async fn must_drain(peer: &Peer, expires: Instant) {
    tokio::select! {
        () = peer.closing.cancelled() => {}
        // Cancels it for health watches and reflection.
        () = sleep_until(expires) => peer.closing.cancel(),
    }
}

/// Returns when a draining connection has no calls any more.
async fn calls_ended(calls: &TaskTracker) {
    calls.close();
    // Calls that were under way still start until the client responds to the PING after GOAWAY.
    sleep(GOAWAY_GRACE).await;
    loop {
        calls.wait().await;
        // A call ends when its response is ready. The response is sent after that.
        sleep(GOAWAY_GRACE).await;
        if calls.is_empty() {
            return;
        }
    }
}
