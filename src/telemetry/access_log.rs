//! The record of a call: its log line, its metrics and its span, one each, however it ended. Health checks have no log line
//! and no span.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Request};
use opentelemetry::trace::TraceId;
use tonic::Code;

use super::traces::{ServerSpan, remote_parent};
use super::{Metrics, Traces};
use crate::call::{Call, End};
use crate::error::Reason;
use crate::methods::Role;
use crate::util::text::truncate;

/// Longest path of an unknown method that is logged, in bytes.
const MAX_PATH: usize = 128;

/// Logs and counts its call when it is answered, or when it is dropped unanswered.
pub(crate) struct AccessLogEntry {
    call: Arc<Call>,
    /// What was asked for, if there is no such method.
    unknown: Option<String>,
    peer: SocketAddr,
    metrics: Arc<Metrics>,
    span: Option<ServerSpan>,
    /// The trace that it belongs to, the gateway's own or the caller's.
    trace: Option<TraceId>,
    answered: bool,
}

impl AccessLogEntry {
    pub(crate) fn begin<B>(
        call: Arc<Call>,
        request: &Request<B>,
        peer: SocketAddr,
        metrics: Arc<Metrics>,
        traces: &Traces,
    ) -> Self {
        let method = call.method();
        metrics.call_started(method);
        let path = request.uri().path();
        let (mut span, mut trace) = (None, None);
        if method.role != Role::Health {
            let caller = remote_parent(request.headers());
            span = traces.call(method, path, peer, caller.as_ref());
            trace = span.as_ref().map(ServerSpan::trace_id).or(caller.map(|caller| caller.trace_id()));
        }
        if let Some(trace) = span.as_ref().and_then(ServerSpan::trace_context) {
            call.set_trace(trace);
        }
        let unknown = (method.role == Role::Unknown).then(|| truncate(path, MAX_PATH).to_owned());
        Self { call, unknown, peer, metrics, span, trace, answered: false }
    }

    /// The caller gets this answer.
    pub(crate) fn answered(mut self, headers: &HeaderMap) {
        self.answered = true;
        // An error is in the headers; what isn't there is in the trailers, and those of a success say OK.
        let code = headers.get("grpc-status").map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
        let call = self.call.clone();
        self.write(code, call.end().unwrap_or(&End::default()));
    }

    fn write(&mut self, code: Code, end: &End) {
        let (call, failure, aws) = (&self.call, end.failure, &end.aws);
        let took = call.started().elapsed();
        self.metrics.call_ended(self.call.method(), code, took, failure.map(|(reason, _)| reason));
        if let Some(span) = self.span.take() {
            span.ends(call, code, failure, aws);
        }
        if self.call.method().role == Role::Health {
            return;
        }
        tracing::info!(
            service = self.call.method().service,
            method = self.unknown.as_deref().unwrap_or(self.call.method().name),
            code = code_name(code),
            reason = failure.map(|(reason, _)| reason.name()),
            outcome = failure.map(|(_, outcome)| outcome.as_str()),
            // To the microsecond: what is finer is noise.
            duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            job_id = call.subject().job_id(),
            client_id = call.subject().client_id(),
            action_type = call.subject().action_type(),
            jobs = call.subject().jobs(),
            invalid_fields = (!end.invalid_fields.is_empty()).then(|| end.invalid_fields.join(", ")),
            caller = call.caller(),
            peer = %self.peer,
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
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        if !self.answered {
            let failure = self.call.interrupted(Reason::CallerCancelled);
            let end = End {
                failure: Some((failure.reason, failure.outcome)),
                aws: failure.aws.clone(),
                ..End::default()
            };
            self.write(failure.code(self.call.method()), &end);
        }
    }
}

/// The code's name as gRPC's specification writes it.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
