//! Sends requests on pooled connections, and closes idle ones.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, Limited, StreamBody};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::connect::Connector;
use super::connection::{Body, Connection, Received};
use crate::codepipeline::transmit_probe::TransmitProbe;

/// The longest time between two searches for idle connections that AWS has closed.
const MAX_SWEEP: Duration = Duration::from_secs(5);

/// Connections to AWS. The SDK sends its requests through it.
#[derive(Clone, Debug)]
pub(in crate::codepipeline) struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    idle_timeout: Duration,
    /// The one that was used last is at the end. There are at most as many as attempts were in
    /// flight together in the last `idle_timeout`.
    idle: Mutex<Vec<Idle>>,
    sweep: OnceLock<AbortOnDropHandle<()>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A pool without connections. An idle one is closed after `idle_timeout`.
    pub(in crate::codepipeline) fn new(connector: Connector, idle_timeout: Duration) -> Self {
        let (idle, sweep) = (Mutex::default(), OnceLock::new());
        Self(Arc::new(Shared { connector, idle_timeout, idle, sweep }))
    }
}

impl HttpConnector for Pool {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let shared = self.0.clone();
        // Not in the future, which would have room for each form of the request.
        let request = match shared.outgoing(request) {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::io(error))),
        };
        HttpConnectorFuture::new(async move { shared.exchange(request).await.map_err(ConnectorError::io) })
    }
}

impl Shared {
    fn outgoing(&self, request: HttpRequest) -> Result<Request<Body>, BoxError> {
        let mut request = request.try_into_http1x()?.map(Box::new);
        self.connector.address(&mut request)?;
        Ok(request)
    }

    async fn exchange(self: &Arc<Self>, request: Request<Body>) -> Result<HttpResponse, BoxError> {
        let max = TransmitProbe::max_response()?;
        let (mut connection, response) = self.send(request).await?;
        let received = connection.read(response, max).await;
        if !says_broken(received.head.status) && received.broken.is_none() && connection.is_ready() {
            self.keep(connection);
        }
        response_of(received, max)
    }

    /// Sends the request on an idle connection or a new one. If AWS closed an idle one before a
    /// byte of the request was sent, takes the next one.
    async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<(Connection, Response<Incoming>), BoxError> {
        loop {
            let idle = self.take_idle();
            let is_new = idle.is_none();
            let mut connection = match idle {
                Some(connection) => connection,
                // Boxed, because it is large, and most calls have an idle connection.
                None => Box::pin(self.open()).await?,
            };
            TransmitProbe::set_sent(true)?;
            let mut error = match connection.send(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(error) => error,
            };
            let unsent = error.take_message();
            TransmitProbe::set_sent(unsent.is_none())?;
            match unsent {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(error.into_error().into()),
            }
        }
    }

    async fn open(&self) -> Result<Connection, BoxError> {
        Connection::open(self.connector.connect().await?).await
    }

    fn take_idle(&self) -> Option<Connection> {
        loop {
            let mut idle = self.idle().pop()?;
            if idle.since.elapsed() < self.idle_timeout && idle.connection.is_ready() {
                return Some(idle.connection);
            }
        }
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        self.idle().push(Idle { connection, since: Instant::now() });
        self.sweep.get_or_init(|| {
            let sweep = sweep(Arc::downgrade(self), (self.idle_timeout / 4).min(MAX_SWEEP));
            AbortOnDropHandle::new(tokio::spawn(sweep))
        });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // No code under the lock leaves a half-changed list if it panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections that are too old or that AWS has closed, until the pool ends.
async fn sweep(pool: Weak<Shared>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(shared) = pool.upgrade() else { return };
        let timeout = shared.idle_timeout;
        shared.idle().retain_mut(|idle| idle.since.elapsed() < timeout && idle.connection.is_ready());
    }
}

/// Whether the server of a connection with this response might be broken. The connection isn't used
/// again, as the SDK's own client does it.
fn says_broken(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// The response for the SDK. Reading a body that is broken off or longer than `max` fails.
fn response_of(received: Received, max: usize) -> Result<HttpResponse, BoxError> {
    let Received { head, body, broken } = received;
    let body = match broken {
        None if body.len() > max => SdkBody::from_body_1_x(Limited::new(Full::new(body), max)),
        None => SdkBody::from(body),
        Some(error) => {
            let frames = [Ok(Frame::data(body)), Err(error)];
            SdkBody::from_body_1_x(StreamBody::new(futures_util::stream::iter(frames)))
        }
    };
    Ok(HttpResponse::try_from(Response::from_parts(head, body))?)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connector", &self.connector).finish_non_exhaustive()
    }
}
