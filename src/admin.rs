//! Serves the admin port over HTTP: `/livez`, `/readyz`, and `/metrics`. It never calls AWS.
//!
//! Any client that reaches the port could hold connections open. A probe without a response would
//! then restart a healthy gateway. So a connection carries one request and has a short time limit,
//! and at the connection limit a new connection replaces the oldest.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;
use crate::telemetry::Metrics;
use crate::util::accept::handle_accept_error;

/// Most open connections. A further connection closes the oldest. A probe or scrape takes
/// milliseconds.
const MAX_CONNECTIONS: usize = 64;
/// Time limit from accept to the end of the request's header block.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// Time limit from accept to the end of the response.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Largest header block, in bytes. A larger one gets 431. Bodies aren't read.
const MAX_HEADERS: usize = 16 * 1024;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct AdminState {
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
}

/// Serves until `end` is canceled.
///
/// # Errors
/// The listener is lost.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    end: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .fallback(not_found)
        .with_state(AdminState { metrics, readiness });
    accept(listener, &routes, end).await
}

async fn accept(listener: TcpListener, routes: &Router, end: CancellationToken) -> io::Result<()> {
    let (mut open, mut by_age) = (JoinSet::new(), VecDeque::<AbortHandle>::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    by_age.retain(|connection| !connection.is_finished());
                    if by_age.len() >= MAX_CONNECTIONS
                        && let Some(oldest) = by_age.pop_front()
                    {
                        oldest.abort();
                    }
                    by_age.push_back(open.spawn(connection(socket, routes.clone())));
                }
                Err(error) => handle_accept_error(error).await?,
            },
            Some(_ended) = open.join_next() => {}
            () = end.cancelled() => break,
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
    Ok(())
}

/// Serves one request.
async fn connection(socket: impl AsyncRead + AsyncWrite + Unpin, routes: Router) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADERS)
        // Probes and scrapers reconnect quickly. An open connection would only take up capacity.
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes));
    // A failed connection concerns only its client.
    let _ = timeout(CONNECTION_TIME, serving).await;
}

/// Responds while the runtime works. No failure at AWS changes that.
async fn livez() -> &'static str {
    "alive\n"
}

async fn not_found() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "Not found. This port serves /livez, /readyz, and /metrics. gRPC has a port of its own.\n",
    )
}

async fn readyz(State(state): State<AdminState>) -> (StatusCode, String) {
    match &*state.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n".into()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics_page(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accept.contains("application/openmetrics-text");
    match state.metrics.encode(open) {
        Ok(page) => ([(header::CONTENT_TYPE, if open { OPEN_METRICS } else { PROMETHEUS_TEXT })], page)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;

    // No page takes this long, so the test uses a handler of its own.
    #[tokio::test(start_paused = true)]
    async fn a_stuck_response_ends_with_its_connection() {
        let routes = Router::new().route("/stuck", get(std::future::pending::<()>));
        let (mut client, socket) = tokio::io::duplex(1024);
        client.write_all(b"GET /stuck HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
        let started = Instant::now();
        timeout(2 * CONNECTION_TIME, connection(socket, routes)).await.expect("it ends");
        assert_eq!(started.elapsed(), CONNECTION_TIME);
    }
}
