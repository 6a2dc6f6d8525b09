//! Handles one gRPC call: access log, panics, deadline, authentication, and limits, outermost
//! first.
//!
//! These are functions and not layers, because each needs the call's context: an error reports the
//! outcome at AWS, and the access log writes one line per call, also for a canceled call.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body::Body as HttpBody;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt, service_fn};

use super::admission::Admission;
use super::peer::Peer;
use super::response_body::EndOnClose;
use super::settings::Settings;
use super::tonic_errors;
use crate::call::{Call, End};
use crate::error::{Failure, Reason, into_response};
use crate::methods::{Method, Role, UNKNOWN};
use crate::telemetry::{AccessLogEntry, Metrics};

/// Deadline of a health check. The check is unauthenticated and needs only its own message, so it
/// gets less time than a call.
const HEALTH_TIME: Duration = Duration::from_secs(5);

/// The service of the job operations. Calls reach it without a router, because the table of methods
/// has already found their operation.
pub(super) type Jobs = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Handles the calls of all connections. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct GrpcCalls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    jobs: Jobs,
    /// Health and reflection, and the response to unknown methods.
    routes: Routes,
    settings: Settings,
    region: Arc<str>,
    admission: Admission,
    metrics: Arc<Metrics>,
    drain_over: CancellationToken,
}

/// One call and the connection that it came on.
#[derive(Clone, Copy)]
struct CallContext<'a> {
    call: &'a Call,
    peer: &'a Peer,
}

/// A request body that tonic can read.
pub(super) trait RequestBody: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static {}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static> RequestBody for B {}

impl GrpcCalls {
    pub(super) fn new(
        jobs: Jobs,
        routes: Routes,
        settings: &Settings,
        region: Arc<str>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Shared {
            jobs,
            routes,
            settings: settings.clone(),
            region,
            admission: Admission::new(settings.max_in_flight, settings.max_connections, metrics.clone()),
            metrics,
            drain_over: CancellationToken::new(),
        }))
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Ends all running calls with an error, because the drain timeout is over.
    pub(super) fn end_running(&self) {
        self.0.drain_over.cancel();
    }

    /// The service of one connection.
    pub(super) fn service<B: RequestBody>(
        self,
        peer: Arc<Peer>,
    ) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone {
        service_fn(move |request| {
            let (calls, peer) = (self.0.clone(), peer.clone());
            // Boxed, because every future that passes it on would have room for two of it.
            let request = Box::new(request);
            async move { Ok(calls.handle(request, &peer).await) }
        })
    }
}

impl Shared {
    /// Handles one call, from its arrival to its response.
    async fn handle<B: RequestBody>(&self, mut request: Box<Request<B>>, peer: &Peer) -> Response<Body> {
        let call = Arc::new(self.begin(&request));
        request.extensions_mut().insert(call.clone());
        // Its drop records a call whose future is dropped because the client disconnected.
        let log = AccessLogEntry::begin(
            call.clone(),
            &request,
            peer.address.clone(),
            self.metrics.clone(),
            &self.settings.traces,
        );
        let context = CallContext { call: &call, peer };
        let response = self.with_details(request, context).await;
        log.answered(response.headers());
        response
    }

    fn begin<B>(&self, request: &Request<B>) -> Call {
        let mut method = Method::of(request.uri().path());
        if method.role == Role::Reflection && !self.settings.reflection {
            method = &UNKNOWN;
        }
        Call::begin(method, request.headers(), self.settings.deadlines, self.region.clone())
    }

    /// Replaces tonic's own errors, which have no details.
    async fn with_details<B: RequestBody>(
        &self,
        request: Box<Request<B>>,
        context: CallContext<'_>,
    ) -> Response<Body> {
        let response = self.without_panic(request, context).await;
        match tonic_errors::failure(context.call.method(), response.headers()) {
            Some(failure) => context.fail_instead(&failure, response.headers()),
            None => response,
        }
    }

    /// Turns a panic into an error of this call, with what is known about its outcome.
    async fn without_panic<B: RequestBody>(
        &self,
        request: Box<Request<B>>,
        context: CallContext<'_>,
    ) -> Response<Body> {
        let handled = AssertUnwindSafe(self.in_time(request, context)).catch_unwind().await;
        // The panic's text isn't used, because it can contain secrets. The hook has logged where it
        // happened.
        handled.unwrap_or_else(|_panic| context.fail(&context.call.panicked()))
    }

    /// Enforces the deadline and the end of a drain.
    ///
    /// The deadline also covers the time before the service: authentication can wait for keys, and
    /// a client that sends half a message must not keep its permit.
    async fn in_time<B: RequestBody>(
        &self,
        request: Box<Request<B>>,
        context: CallContext<'_>,
    ) -> Response<Body> {
        let call = context.call;
        let deadline = match call.deadline() {
            // Checked first, because the first poll of an attempt can already send the request.
            Ok(deadline) if Instant::now() >= deadline => return context.interrupt(Reason::DeadlineExceeded),
            Ok(deadline) => deadline,
            Err(malformed) => return context.fail(&malformed),
        };
        let deadline = match call.method().role {
            Role::Health => deadline.min(call.started() + HEALTH_TIME),
            _ => deadline,
        };
        tokio::select! {
            // A response that is ready counts, even at the deadline.
            biased;
            response = self.authorized(request, context) => response,
            () = sleep_until(deadline) => context.interrupt(Reason::DeadlineExceeded),
            () = self.drain_over.cancelled() => context.interrupt(Reason::GatewayShuttingDown),
        }
    }

    /// Authenticates and authorizes the caller. Health needs neither, so that probes need no
    /// credential.
    async fn authorized<B: RequestBody>(
        &self,
        mut request: Box<Request<B>>,
        context: CallContext<'_>,
    ) -> Response<Body> {
        let CallContext { call, peer } = context;
        let role = call.method().role;
        if role != Role::Health
            && let Err(failure) =
                self.settings.auth.admit(request.headers_mut(), &peer.identities, call).await
        {
            return context.fail(&failure);
        }
        if !self.settings.operations.contains(call.method()) {
            return context.fail(&Failure::not_sent(Reason::OperationDisabled));
        }
        if matches!(role, Role::Health | Role::Reflection) {
            // tonic keeps them as long as the stream, and any client can open a health watch.
            retain_needed_headers(request.headers_mut());
        }
        self.admitted(request, context).await
    }

    /// Applies the limits. The in-flight limit never rejects health and reflection.
    async fn admitted<B: RequestBody>(
        &self,
        request: Box<Request<B>>,
        context: CallContext<'_>,
    ) -> Response<Body> {
        let CallContext { call, peer } = context;
        match call.method().role {
            Role::Job => match self.admission.try_call() {
                Some(permit) => {
                    let _release = call.in_flight().hold(permit, peer.closing.clone());
                    respond(self.jobs.clone(), request).await
                }
                None => context.fail(&Failure::not_sent(Reason::GatewayOverloaded)),
            },
            Role::Health | Role::Reflection => match self.admission.try_stream(call.method(), &peer.limits) {
                Some(permits) => respond(self.routes.clone(), request)
                    .await
                    .map(|body| Body::new(EndOnClose::new(body, peer.closing.clone(), permits))),
                None => context.fail(&too_many_streams()),
            },
            Role::Unknown => respond(self.routes.clone(), request).await,
        }
    }
}

async fn respond<S, B>(service: S, request: Box<Request<B>>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    B: RequestBody,
{
    match service.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

impl CallContext<'_> {
    /// The response of a call that the gateway ends now.
    fn interrupt(self, reason: Reason) -> Response<Body> {
        self.fail(&self.call.interrupted(reason))
    }

    /// The response of a call that failed outside the service. Records the end of the call.
    fn fail(self, failure: &Failure) -> Response<Body> {
        self.fail_instead(failure, &HeaderMap::new())
    }

    /// The same, instead of a response with these headers.
    fn fail_instead(self, failure: &Failure, replaced: &HeaderMap) -> Response<Body> {
        self.call.set_end(End::from(failure));
        into_response(failure, &self.call.facts(), replaced)
    }
}

/// Keeps the headers that tonic reads, and removes all others.
fn retain_needed_headers(headers: &mut HeaderMap) {
    let needed = [header::CONTENT_TYPE, HeaderName::from_static("grpc-encoding")];
    let kept = needed.map(|name| (headers.remove(&name), name));
    *headers = kept.into_iter().filter_map(|(value, name)| Some((name, value?))).collect();
}

/// The stream limit is reached. The in-flight limit plays no part.
fn too_many_streams() -> Failure {
    Failure::not_sent(Reason::GatewayOverloaded).with_message(
        "Too many health watches and reflection streams are open. Nothing was sent. Close some, or retry \
         later.",
    )
}

#[cfg(test)]
mod tests;
