//! The plain HTTP side, for probes and Prometheus: `/livez`, `/readyz`, `/metrics`. It never calls AWS.
//!
//! Whoever reaches it could hold connections open, and a probe that isn't answered for that would restart a gateway that
//! is well: a connection carries one request, has little time for it, and the oldest makes room for a new one.

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
use crate::server::handle_accept_error;
use crate::telemetry::Metrics;

/// Open connections; with one more, the oldest is closed. A probe's or a scrape's lasts milliseconds.
const MAX_CONNECTIONS: usize = 64;
/// From accept to the end of the request's header block.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// From accept to the end of the answer.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// A longer header block, in bytes, is refused with 431. Bodies aren't read.
const MAX_HEADERS: usize = 16 * 1024;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct AdminState {
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
}

/// Serves until `end`.
///
/// # Errors
/// The listener was lost.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    end: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page))
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

/// One request and its answer.
async fn connection(socket: impl AsyncRead + AsyncWrite + Unpin, routes: Router) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADERS)
        // Scrapers and probes connect anew in a moment; what stays open can only be held.
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(routes));
    // Whatever a client does to its connection is its own loss.
    let _ = timeout(CONNECTION_TIME, serving).await;
}

/// That this answers is the answer: the runtime still turns. Nothing at AWS makes it fail.
async fn livez() -> &'static str {
    "alive\n"
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "Here are /livez, /readyz and /metrics; gRPC has a port of its own.\n")
}

async fn readyz(State(shown): State<AdminState>) -> (StatusCode, String) {
    match &*shown.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n".into()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn page(State(shown): State<AdminState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accept.contains("application/openmetrics-text");
    match shown.metrics.encode(open) {
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

    // No page of ours takes so long and no client can make one: only a handler of the test's own shows the bound.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_ends_with_its_connection() {
        let routes = Router::new().route("/stuck", get(std::future::pending::<()>));
        let (mut client, socket) = tokio::io::duplex(1024);
        client.write_all(b"GET /stuck HTTP/1.1\r\nhost: admin\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        timeout(2 * CONNECTION_TIME, connection(socket, routes)).await.expect("it ends");
        assert_eq!(begun.elapsed(), CONNECTION_TIME);
    }
}
