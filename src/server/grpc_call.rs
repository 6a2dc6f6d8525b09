//! What every call passes, outermost first. One function, so that the order can be read.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use uuid::Uuid;

use super::Settings;
use super::admission::{Admission, ConnectionLimits};
use super::connection::Tasks;
use super::request_body::DrainOnDrop;
use super::response_body::EndOnClose;
use crate::auth::{Auth, Identities};
use crate::call::{Call, Deadlines, End, REQUEST_ID};
use crate::error::{Failure, Reason, has_details, into_response};
use crate::methods::{Method, Role, UNKNOWN};
use crate::telemetry::{AccessLogEntry, Metrics, Traces};

/// A health check waits for nothing but its own message, and whoever asks need not be known: it isn't given a call's time.
const HEALTH_TIME: Duration = Duration::from_secs(5);

/// The other side of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The names in its certificate, if it showed one.
    pub(super) identities: Identities,
    /// Admission for its health checks and reflection streams.
    pub(super) limits: ConnectionLimits,
    /// What runs on the connection.
    pub(super) tasks: Tasks,
    /// Cancelled when the connection is to end.
    pub(super) closing: CancellationToken,
}

/// The way in, shared by all connections.
#[derive(Clone, Debug)]
pub(super) struct GrpcCalls {
    routes: Routes,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    auth: Auth,
    deadlines: Deadlines,
    reflection: bool,
    region: Arc<str>,
    admission: Admission,
    metrics: Arc<Metrics>,
    traces: Traces,
    drain_over: CancellationToken,
}

impl GrpcCalls {
    pub(super) fn new(
        routes: Routes,
        settings: &Settings,
        region: Arc<str>,
        metrics: Arc<Metrics>,
        drain_over: CancellationToken,
    ) -> Self {
        let shared = Shared {
            auth: settings.auth.clone(),
            deadlines: settings.deadlines,
            reflection: settings.reflection,
            region,
            admission: Admission::new(settings, metrics.clone()),
            metrics,
            traces: settings.traces.clone(),
            drain_over,
        };
        Self { routes, shared: Arc::new(shared) }
    }

    /// Answers one request, whatever becomes of it.
    pub(super) async fn answer(self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        // Whoever answers early need not read it to its end.
        // In a box: each future that hands it on would hold two places for it.
        let mut request = Box::new(request.map(|body| DrainOnDrop::new(body, peer.tasks.clone())));
        // Whoever doesn't speak gRPC couldn't read a gRPC error.
        if !is_grpc(&request) {
            return not_grpc();
        }
        remove_unusable_request_id(request.headers_mut());
        let id = request.headers().get(REQUEST_ID).cloned().unwrap_or_else(new_request_id);
        request.headers_mut().insert(REQUEST_ID, id);
        // From here on there is a call, with an id and a deadline that counts from its arrival.
        let method = self.method(request.uri().path());
        let region = self.shared.region.clone();
        let call = Arc::new(Call::begin(method, request.headers(), self.shared.deadlines, region));
        request.extensions_mut().insert(call.clone());
        // Logs, counts, and traces the call even if this future is dropped because the caller disconnected.
        let record = AccessLogEntry::begin(
            call.clone(),
            &request,
            peer.address,
            self.shared.metrics.clone(),
            &self.shared.traces,
        );
        // A panic must cost its own call only, and must tell the caller what is known.
        let routed = AssertUnwindSafe(self.in_time(request, &call, peer)).catch_unwind().await;
        let response = routed.unwrap_or_else(|panic| after_panic(panic, &call));
        // tonic's own errors get their row of the table.
        let mut response = if has_details(response.headers()) {
            response
        } else {
            let failure = reason_of(method, response.headers());
            fail(&failure, &call, response.headers())
        };
        if let Ok(id) = HeaderValue::from_str(call.request_id()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        record.answered(response.headers());
        response
    }

    /// The method that is asked for. One that is switched off isn't there.
    fn method(&self, path: &str) -> &'static Method {
        let method = Method::of(path);
        if method.role == Role::Reflection && !self.shared.reflection { &UNKNOWN } else { method }
    }

    /// A TLS handshake didn't succeed.
    pub(super) fn handshake_failed(&self) {
        self.shared.metrics.handshakes_failed.inc();
    }

    /// The deadline and the end of a drain. They also cover what comes before the service: keys that a token is to be
    /// verified with may still be on their way, and a caller that sends half a message must not hold its slot for ever.
    async fn in_time(&self, request: Box<Request<DrainOnDrop>>, call: &Call, peer: &Peer) -> Response<Body> {
        let deadline = match call.deadline() {
            // The first poll of an attempt may already send: with no time left there must be none.
            Ok(deadline) if Instant::now() >= deadline => return interrupted(call, Reason::DeadlineExceeded),
            Ok(deadline) => deadline,
            Err(malformed) => return fail(&malformed, call, &HeaderMap::new()),
        };
        let deadline = match call.method().role {
            Role::Health => deadline.min(call.started() + HEALTH_TIME),
            _ => deadline,
        };
        tokio::select! {
            // An answer that is there counts, even if time is up as well.
            biased;
            response = self.admitted(request, call, peer) => response,
            () = sleep_until(deadline) => interrupted(call, Reason::DeadlineExceeded),
            () = self.shared.drain_over.cancelled() => interrupted(call, Reason::GatewayShuttingDown),
        }
    }

    /// Who may call. Health is open to all, so that probes need no credential.
    async fn admitted(
        &self,
        mut request: Box<Request<DrainOnDrop>>,
        call: &Call,
        peer: &Peer,
    ) -> Response<Body> {
        if call.method().role != Role::Health {
            let admitted = self.shared.auth.admit(request.headers_mut(), &peer.identities, call).await;
            if let Err(failure) = admitted {
                return fail(&failure, call, &HeaderMap::new());
            }
        }
        if matches!(call.method().role, Role::Health | Role::Reflection) {
            // They are held for as long as the stream is, and anybody may ask for health.
            retain_needed_headers(request.headers_mut());
        }
        self.route(request, call, peer).await
    }

    /// The limits, then the service. Health checks and reflection are never refused for the calls that are in flight.
    async fn route(&self, request: Box<Request<DrainOnDrop>>, call: &Call, peer: &Peer) -> Response<Body> {
        match call.method().role {
            Role::Job => match self.shared.admission.try_call() {
                Some(_permit) => self.serve(request).await,
                None => overloaded(call),
            },
            Role::Health | Role::Reflection => {
                match self.shared.admission.try_stream(call.method(), &peer.limits) {
                    Some(permits) => self
                        .serve(request)
                        .await
                        .map(|body| Body::new(EndOnClose::new(body, peer.closing.clone(), permits))),
                    None => no_stream_permit(call),
                }
            }
            Role::Unknown => self.serve(request).await,
        }
    }

    async fn serve(&self, request: Box<Request<DrainOnDrop>>) -> Response<Body> {
        match self.routes.clone().oneshot(*request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Leaves of a request's headers what tonic reads.
fn retain_needed_headers(headers: &mut HeaderMap) {
    let needed = [header::CONTENT_TYPE, HeaderName::from_static("grpc-encoding")];
    let kept = needed.map(|name| (headers.remove(&name), name));
    *headers = kept.into_iter().filter_map(|(value, name)| Some((name, value?))).collect();
}

fn is_grpc(request: &Request<DrainOnDrop>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // "application/grpc" and "application/grpc+proto", but not gRPC-Web's "application/grpc-web".
    let grpc = content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    grpc && request.version() == http::Version::HTTP_2 && request.method() == http::Method::POST
}

/// gRPC's "PROTOCOL-HTTP2" asks for 415, so that callers that aren't gRPC don't take a 200 for a success.
fn not_grpc() -> Response<Body> {
    const SENTENCE: &str = "This port speaks gRPC over HTTP/2 and nothing else. \
                            Try: grpcurl HOST:PORT list (-plaintext if it has no TLS)\n";
    let mut response = Response::new(Body::new(Full::from(SENTENCE)));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The response of a call that failed here, and the record of its end.
fn fail(failure: &Failure, call: &Call, replaced: &HeaderMap) -> Response<Body> {
    call.set_end(End::from(failure));
    into_response(failure, &call.facts(), replaced)
}

/// Removes a request id that can't be repeated in logs and headers.
fn remove_unusable_request_id(headers: &mut HeaderMap) {
    let usable = |id: &HeaderValue| {
        (1..=128).contains(&id.len())
            && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(b))
    };
    if headers.get(REQUEST_ID).is_some_and(|id| !usable(id)) {
        headers.remove(REQUEST_ID);
    }
}

fn new_request_id() -> HeaderValue {
    HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("none"))
}

fn overloaded(call: &Call) -> Response<Body> {
    fail(&Failure::not_sent(Reason::GatewayOverloaded), call, &HeaderMap::new())
}

/// However few calls there are.
fn no_stream_permit(call: &Call) -> Response<Body> {
    let failure = Failure::not_sent(Reason::GatewayOverloaded).with_message(
        "As many health watches and reflection streams are open as may be; close some, or try again later.",
    );
    fail(&failure, call, &HeaderMap::new())
}

fn interrupted(call: &Call, reason: Reason) -> Response<Body> {
    fail(&call.interrupted(reason), call, &HeaderMap::new())
}

fn after_panic(panic: Box<dyn Any + Send>, call: &Call) -> Response<Body> {
    // Its text could hold anything; the panic hook has logged where it happened.
    drop(panic);
    fail(&call.panicked(), call, &HeaderMap::new())
}

/// Why tonic refused a call: it gives a code and no details.
fn reason_of(method: &Method, headers: &HeaderMap) -> Failure {
    let code = headers.get("grpc-status").map_or(Code::Unknown, |status| Code::from_bytes(status.as_bytes()));
    let unreadable = |sentence: &str| Failure::not_sent(Reason::InvalidRequest).with_message(sentence);
    match code {
        Code::Unimplemented if method.role != Role::Unknown => unreadable(
            "The message is compressed in a way that the gateway doesn't read; send it uncompressed.",
        ),
        Code::Unimplemented => Failure::not_sent(Reason::UnknownMethod),
        Code::OutOfRange | Code::ResourceExhausted => unreadable(
            "The message is larger than 64 KiB (health and reflection: 4 KiB); no valid request is.",
        ),
        Code::NotFound if method.role == Role::Health => Failure::not_sent(Reason::UnknownService),
        _ => unreadable(
            "The message is malformed; check that it is what the API's description says, in UTF-8.",
        ),
    }
}
