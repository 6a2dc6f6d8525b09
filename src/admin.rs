//! The plain HTTP side, for probes and Prometheus: `/livez`, `/readyz`, `/metrics`. It never calls AWS.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;
use crate::telemetry::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Shown {
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
        .with_state(Shown { metrics, readiness });
    axum::serve(listener, routes).with_graceful_shutdown(end.cancelled_owned()).await
}

/// That this answers is the answer: the runtime still turns. Nothing at AWS makes it fail.
async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(shown): State<Shown>) -> (StatusCode, String) {
    match &*shown.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n".into()),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn page(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accept.contains("application/openmetrics-text");
    match shown.metrics.encode(open) {
        Ok(page) => ([(header::CONTENT_TYPE, if open { OPEN_METRICS } else { PROMETHEUS_TEXT })], page)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
