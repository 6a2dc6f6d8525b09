use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request as AxumRequest;
use http_body_util::Empty;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic_types::StatusExt;

use super::*;
use crate::auth::Auth;
use crate::auth::Identities;
use crate::call::Deadlines;
use crate::methods::ACKNOWLEDGE;
use crate::operations::OperationSet;
use crate::server::peer::Tasks;
use crate::telemetry::Traces;

/// Handles calls with this router, and admits one call at a time.
fn grpc_calls(routes: Router) -> GrpcCalls {
    let deadline = Duration::from_secs(10);
    let settings = Settings {
        tls: None,
        operations: OperationSet::all(),
        auth: Auth::None,
        deadlines: Deadlines { default: deadline, max: deadline },
        max_in_flight: 1,
        max_poll_waiters: 1,
        max_connections: 1,
        max_connection_age: deadline,
        shutdown_delay: Duration::ZERO,
        drain_timeout: Duration::ZERO,
        reflection: false,
        traces: Traces::default(),
    };
    let routes = Routes::from(routes);
    GrpcCalls::new(Jobs::new(routes.clone()), routes, &settings, "eu-west-1".into(), Arc::new(Metrics::new()))
}

fn peer() -> Arc<Peer> {
    let (address, tasks) = (([127, 0, 0, 1], 1).into(), Tasks::new(TaskTracker::new()));
    Arc::new(Peer::new(address, Identities::default(), tasks, CancellationToken::new()))
}

/// Sends a call, as `stack` does.
async fn send(calls: &GrpcCalls, path: &str) -> Response<Body> {
    let request = Request::post(path).header("x-request-id", "call-1").body(Empty::<Bytes>::new()).unwrap();
    calls.clone().service(peer()).oneshot(request).await.unwrap()
}

async fn acknowledge(calls: &GrpcCalls) -> Response<Body> {
    send(calls, ACKNOWLEDGE.path).await
}

/// The reason and the outcome of a failed call.
fn error(response: &Response<Body>) -> (String, String) {
    let status = Status::from_header_map(response.headers()).expect("a status");
    let details = status.get_error_details();
    assert_eq!(details.request_info().expect("RequestInfo").request_id, "call-1");
    let info = details.error_info().expect("ErrorInfo");
    (info.reason.clone(), info.metadata["outcome"].clone())
}

fn expected(reason: &str, outcome: &str) -> (String, String) {
    (reason.to_owned(), outcome.to_owned())
}

fn in_flight(calls: &GrpcCalls) -> i64 {
    calls.metrics().in_flight.get()
}

#[tokio::test]
async fn a_panic_ends_its_own_call_and_releases_its_permit() {
    let count = Arc::new(AtomicUsize::new(0));
    let calls = grpc_calls(Router::new().fallback(move |request: AxumRequest| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if nth == 1 {
                Call::of(request.extensions()).progress().attempt_started(|| false);
            }
            assert!(nth > 1, "a bug");
        }
    }));
    assert_eq!(error(&acknowledge(&calls).await), expected("GATEWAY_BUG", "not_sent"));
    // After an attempt has started, nothing that was recorded about it can be trusted.
    assert_eq!(error(&acknowledge(&calls).await), expected("GATEWAY_BUG", "unknown"));
    let response = acknowledge(&calls).await;
    assert!(!response.headers().contains_key("grpc-status"), "the next call succeeds: {response:?}");
    assert_eq!(in_flight(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_and_releases_its_permit() {
    let calls = grpc_calls(Router::new().fallback(std::future::pending::<()>));
    let started = Instant::now();
    assert_eq!(error(&acknowledge(&calls).await), expected("DEADLINE_EXCEEDED", "not_sent"));
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert_eq!(in_flight(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_has_a_shorter_deadline_than_a_call() {
    let calls = grpc_calls(Router::new().fallback(std::future::pending::<()>));
    let started = Instant::now();
    let response = send(&calls, "/grpc.health.v1.Health/Check").await;
    assert_eq!(error(&response), expected("DEADLINE_EXCEEDED", "not_sent"));
    assert_eq!(started.elapsed(), HEALTH_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_canceled_call_releases_its_permit() {
    let admitted = Arc::new(Notify::new());
    let handler = {
        let admitted = admitted.clone();
        async move || {
            admitted.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let calls = grpc_calls(Router::new().fallback(handler));
    let running = tokio::spawn({
        let calls = calls.clone();
        async move { acknowledge(&calls).await }
    });
    timeout(Duration::from_secs(1), admitted.notified()).await.expect("the first call is admitted");
    assert_eq!(in_flight(&calls), 1);
    assert_eq!(error(&acknowledge(&calls).await), expected("GATEWAY_OVERLOADED", "not_sent"));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(in_flight(&calls), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_drain_ends_running_calls() {
    let calls = grpc_calls(Router::new().fallback(std::future::pending::<()>));
    calls.end_running();
    assert_eq!(error(&acknowledge(&calls).await), expected("GATEWAY_SHUTTING_DOWN", "not_sent"));
}

#[tokio::test]
async fn an_error_of_tonic_gets_details() {
    let calls = grpc_calls(Router::new().fallback(async || Status::unimplemented("").into_http::<Body>()));
    let unknown = send(&calls, "/no.Such/Method").await;
    assert_eq!(error(&unknown), expected("UNKNOWN_METHOD", "not_sent"));
    // Of a known method, tonic returns it for an unknown compression.
    assert_eq!(error(&acknowledge(&calls).await), expected("INVALID_REQUEST", "not_sent"));
}
