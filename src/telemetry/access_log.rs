//! Writes one log line, the metrics, and one span for each call, however the call ends. Health
//! checks have metrics only.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Request};
use opentelemetry::trace::TraceId;
use tonic::Code;

use super::grpc_code::code_name;
use super::traces::{ServerSpan, remote_parent};
use super::{Metrics, Traces};
use crate::call::{Call, End};
use crate::error::{Outcome, Reason};
use crate::methods::Role;
use crate::util::grpc_status;
use crate::util::text::truncate;

/// The longest part of an unknown method's path in the log, in bytes.
const MAX_PATH: usize = 128;

/// The target of the lines of reflection calls, so that a filter can leave them out.
const REFLECTION_TARGET: &str = "codepipeline_gateway::reflection";

/// A peer's address. Its text is made once for all calls of a connection.
#[derive(Clone, Debug)]
pub(crate) struct PeerAddress {
    address: SocketAddr,
    text: Arc<str>,
}

impl PeerAddress {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, text: address.to_string().into() }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Logs and counts its call when the call has a response, or when the entry is dropped without one.
pub(crate) struct AccessLogEntry {
    call: Arc<Call>,
    /// The path of a method that doesn't exist.
    unknown: Option<String>,
    peer: PeerAddress,
    metrics: Arc<Metrics>,
    span: Option<ServerSpan>,
    /// The trace of the call: the gateway's own, or the caller's if the gateway exports no traces.
    trace: Option<TraceId>,
    answered: bool,
}

impl AccessLogEntry {
    /// The entry of a call that starts now.
    pub(crate) fn begin<B>(
        call: Arc<Call>,
        request: &Request<B>,
        peer: PeerAddress,
        metrics: Arc<Metrics>,
        traces: &Traces,
    ) -> Self {
        let method = call.method();
        metrics.call_started(method);
        let path = request.uri().path();
        let (mut span, mut trace) = (None, None);
        if method.role != Role::Health {
            let caller = remote_parent(request.headers());
            span = traces.call(method, path, peer.address, caller.as_ref());
            trace = span.as_ref().map(ServerSpan::trace_id).or(caller.map(|caller| caller.trace_id()));
        }
        if let Some(trace) = span.as_ref().and_then(ServerSpan::trace_context) {
            call.set_trace(trace);
        }
        let unknown = (method.role == Role::Unknown).then(|| truncate(path, MAX_PATH).to_owned());
        Self { call, unknown, peer, metrics, span, trace, answered: false }
    }

    /// The caller gets a response with these headers.
    pub(crate) fn answered(mut self, headers: &HeaderMap) {
        self.answered = true;
        let code = grpc_status::code(headers);
        let call = self.call.clone();
        self.write(code, call.end().unwrap_or(&End::default()));
    }

    fn write(&mut self, code: Code, end: &End) {
        let (call, failure) = (&self.call, end.failure);
        let took = call.started().elapsed();
        self.metrics.call_ended(call.method(), code, took, failure.map(|(reason, _)| reason));
        if let Some(span) = self.span.take() {
            span.end(call, code, end);
        }
        // To the microsecond: finer digits are noise.
        let duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        match call.method().role {
            Role::Health => {}
            Role::Reflection => self.write_reflection(code, duration_ms, failure),
            Role::Job | Role::Unknown => self.write_call(code, duration_ms, end),
        }
    }

    fn write_call(&self, code: Code, duration_ms: f64, end: &End) {
        let (call, failure, aws) = (&self.call, end.failure, &end.aws);
        tracing::info!(
            service = call.method().service,
            method = self.unknown.as_deref().unwrap_or(call.method().name),
            code = code_name(code),
            reason = failure.map(|(reason, _)| reason.name()),
            outcome = failure.map(|(_, outcome)| outcome.as_str()),
            duration_ms,
            job_id = call.subject().job_id(),
            client_id = call.subject().client_id(),
            action_type = call.subject().action_type(),
            jobs = call.subject().jobs(),
            invalid_fields = (!end.invalid_fields.is_empty()).then(|| end.invalid_fields.join(", ")),
            caller = call.caller(),
            peer = &*self.peer.text,
            request_id = call.request_id(),
            trace_id = self.trace.map(tracing::field::display),
            aws_request_id = aws.request_id.as_deref(),
            aws_error_code = aws.error_code.as_deref(),
            aws_http_status = aws.http_status,
            aws_text = end.log_text.as_deref(),
            attempts = call.progress().attempts(),
            "call"
        );
    }

    /// A reflection call has no job and no attempt at AWS.
    fn write_reflection(&self, code: Code, duration_ms: f64, failure: Option<(Reason, Outcome)>) {
        tracing::info!(
            target: REFLECTION_TARGET,
            service = self.call.method().service,
            method = self.call.method().name,
            code = code_name(code),
            reason = failure.map(|(reason, _)| reason.name()),
            outcome = failure.map(|(_, outcome)| outcome.as_str()),
            duration_ms,
            caller = self.call.caller(),
            peer = &*self.peer.text,
            request_id = self.call.request_id(),
            trace_id = self.trace.map(tracing::field::display),
            "call"
        );
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        if !self.answered {
            let failure = self.call.interrupted(Reason::CallerCancelled);
            self.write(failure.code(self.call.method()), &End::from(&failure));
        }
    }
}
