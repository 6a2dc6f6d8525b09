//! What every call passes, outermost first. One function, so that the order can be read.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

use crate::call::{Call, Deadlines};
use crate::error::{Failure, Reason, has_details, into_response};
use crate::telemetry::CallLog;

const JOBS: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/";
const HEALTH: &str = "/grpc.health.v1.Health/";
/// Every method that there is: an error of tonic's own for one of these is about the message, not the method.
const METHODS: [&str; 5] = [
    "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The way in, shared by all connections.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    routes: Routes,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    deadlines: Deadlines,
    region: Arc<str>,
    slots: Semaphore,
}

impl Layers {
    pub(super) fn new(routes: Routes, deadlines: Deadlines, max_in_flight: usize, region: Arc<str>) -> Self {
        let slots = Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS));
        Self { routes, shared: Arc::new(Shared { deadlines, region, slots }) }
    }

    /// Answers one request, whatever becomes of it.
    pub(super) async fn answer(self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        // Whoever doesn't speak gRPC couldn't read a gRPC error.
        if !is_grpc(&request) {
            return not_grpc();
        }
        // From here on there is a call, with an id and a deadline that counts from its arrival.
        let call =
            Arc::new(Call::begin(request.headers(), self.shared.deadlines, self.shared.region.clone()));
        request.extensions_mut().insert(call.clone());
        let path = request.uri().path().to_owned();
        // Logs the call even if this future is dropped because the caller hung up.
        let log = CallLog::begin(call.clone(), &path, peer);
        // A panic must cost its own call only, and must tell the caller what is known.
        let routed = AssertUnwindSafe(self.route(request, &path, &call)).catch_unwind().await;
        let response = routed.unwrap_or_else(|panic| after_panic(panic, &call));
        // tonic's own errors get their row of the table.
        let mut response = if has_details(response.headers()) {
            response
        } else {
            into_response(reason_of(&path, response.headers()), &call, response.headers())
        };
        if let Ok(id) = HeaderValue::from_str(call.request_id()) {
            response.headers_mut().insert("x-request-id", id);
        }
        log.answered(response.headers());
        response
    }

    /// The in-flight limit, then the service. Health checks and reflection are never refused.
    async fn route(&self, request: Request<Incoming>, path: &str, call: &Call) -> Response<Body> {
        let slot = path.starts_with(JOBS).then(|| self.shared.slots.try_acquire());
        if let Some(Err(_none_left)) = slot {
            return into_response(Failure::not_sent(Reason::GatewayOverloaded), call, &HeaderMap::new());
        }
        match self.routes.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // "application/grpc" and "application/grpc+proto", but not gRPC-Web's "application/grpc-web".
    let grpc = content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    grpc && request.version() == http::Version::HTTP_2 && request.method() == Method::POST
}

/// gRPC's "PROTOCOL-HTTP2" asks for 415, so that callers that aren't gRPC don't take a 200 for a success.
fn not_grpc() -> Response<Body> {
    const SENTENCE: &str = "This port speaks gRPC over HTTP/2 and nothing else. \
                            Try: grpcurl -plaintext HOST:PORT list\n";
    let mut response = Response::new(Body::new(Full::from(SENTENCE)));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn after_panic(panic: Box<dyn Any + Send>, call: &Call) -> Response<Body> {
    // Its text could hold anything; the panic hook has logged where it happened.
    drop(panic);
    into_response(call.panicked(), call, &HeaderMap::new())
}

/// Why tonic refused a call: it gives a code and no details.
fn reason_of(path: &str, headers: &HeaderMap) -> Failure {
    let code = headers.get("grpc-status").map_or(Code::Unknown, |status| Code::from_bytes(status.as_bytes()));
    let unreadable = |sentence: &str| Failure::not_sent(Reason::InvalidRequest).with_sentence(sentence);
    match code {
        Code::Unimplemented if METHODS.contains(&path) => unreadable(
            "The message is compressed in a way that the gateway doesn't read; send it uncompressed.",
        ),
        Code::Unimplemented => Failure::not_sent(Reason::UnknownMethod),
        Code::OutOfRange | Code::ResourceExhausted => {
            unreadable("The message is larger than 64 KiB; no valid request is.")
        }
        Code::NotFound if path.starts_with(HEALTH) => Failure::not_sent(Reason::UnknownService),
        _ => unreadable(
            "The message is malformed; check that it is what the API's description says, in UTF-8.",
        ),
    }
}
