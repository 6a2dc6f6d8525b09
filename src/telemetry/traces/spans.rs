//! The spans of calls and attempts, and their attributes.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions 1.45.0: RPC and gRPC for a
//! call, AWS SDK for an attempt. The conventions for the AWS SDK still use `rpc.system`. The
//! gateway's own attributes start with `codepipeline_gateway.`.
//!
//! Only the code in this file writes attributes. It has no access to a nonce or a token.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tonic::Code;

use crate::call::{Call, End, TraceContext};
use crate::error::{AwsResponse, Failure};
use crate::methods::Method;
use crate::telemetry::grpc_code::code_name;
use crate::util::text::truncate;

/// The longest part of a job id or of an unknown method's name in a span, in bytes. The caller
/// chooses both.
const MAX_CALLER_TEXT: usize = 128;

/// The span of a call. It also ends when it is dropped.
///
/// It is boxed, because a span has half a kilobyte, and a call without a span must not contain it.
pub(crate) struct ServerSpan(Box<Span>);

impl ServerSpan {
    /// Starts the span of a call. `caller` is the caller's span.
    pub(super) fn begin(
        tracer: &SdkTracer,
        method: &Method,
        path: &str,
        peer: SocketAddr,
        caller: Option<&SpanContext>,
    ) -> Self {
        let name = method.full_name().unwrap_or("grpc");
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(span, &context_of(caller.cloned()));
        // Not before, because no sampler needs them, and most spans can be left out.
        if span.is_recording() {
            span.set_attribute(KeyValue::new("rpc.system.name", "grpc"));
            span.set_attribute(KeyValue::new("rpc.method", method.full_name().unwrap_or("_OTHER")));
            span.set_attribute(KeyValue::new("network.peer.address", peer.ip().to_canonical().to_string()));
            span.set_attribute(KeyValue::new("network.peer.port", i64::from(peer.port())));
            if method.full_name().is_none() {
                let original = shorten(path.trim_start_matches('/')).to_owned();
                span.set_attribute(KeyValue::new("rpc.method_original", original));
            }
        }
        Self(Box::new(span))
    }

    /// The trace that the span belongs to.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.0.span_context().trace_id()
    }

    /// The parent of the call's attempts, if the span is recorded.
    pub(crate) fn trace_context(&self) -> Option<TraceContext> {
        let span = self.0.span_context();
        self.0.is_recording().then(|| TraceContext {
            trace_id: span.trace_id().to_bytes(),
            span_id: span.span_id().to_bytes(),
            state: span.trace_state().header(),
        })
    }

    /// Ends the span of a call that ended like this.
    pub(crate) fn end(mut self, call: &Call, code: Code, end: &End) {
        if !self.0.is_recording() {
            return;
        }
        self.0.set_attribute(KeyValue::new("rpc.status_code", code_name(code)));
        if is_server_error(code) {
            self.0.set_attribute(KeyValue::new("error.type", code_name(code)));
            self.0.set_status(Status::error(""));
        }
        if let Some((reason, outcome)) = end.failure {
            self.0.set_attribute(KeyValue::new("codepipeline_gateway.reason", reason.name()));
            self.0.set_attribute(KeyValue::new("codepipeline_gateway.outcome", outcome.as_str()));
        }
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.request_id", call.request_id().to_owned()));
        let attempts = i64::from(call.progress().attempts());
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.attempts", attempts));
        let known = [
            ("codepipeline_gateway.job_id", call.subject().job_id().map(shorten)),
            ("codepipeline_gateway.action_type", call.subject().action_type().map(shorten)),
            ("codepipeline_gateway.caller", call.caller()),
            ("aws.request_id", end.aws.request_id.as_deref()),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                self.0.set_attribute(KeyValue::new(key, value.to_owned()));
            }
        }
        self.0.end();
    }
}

/// Whether the code makes the server's span an error. By the conventions for gRPC, an error of the
/// caller and a canceled call don't.
const fn is_server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The endpoint of AWS that attempts go to.
#[derive(Clone, Debug)]
pub(crate) struct AwsEndpoint {
    region: Arc<str>,
    address: Arc<str>,
    port: u16,
}

impl AwsEndpoint {
    /// The endpoint with this URL, which is valid.
    pub(crate) fn new(region: Arc<str>, endpoint: &str) -> Self {
        let url = endpoint.parse::<Uri>().unwrap_or_default();
        let port = if url.scheme_str() == Some("http") { 80 } else { 443 };
        Self { region, address: url.host().unwrap_or_default().into(), port: url.port_u16().unwrap_or(port) }
    }
}

/// The span of one attempt at AWS. It also ends when it is dropped.
pub(crate) struct AttemptSpan(Box<Span>);

impl AttemptSpan {
    /// Starts the span of an attempt, if the call's span is recorded.
    pub(super) fn begin(tracer: &SdkTracer, call: &Call, endpoint: &AwsEndpoint) -> Option<Self> {
        let parent = span_context(call.trace()?);
        let operation = call.method().name;
        let attributes = vec![
            KeyValue::new("rpc.system", "aws-api"),
            KeyValue::new("rpc.service", "CodePipeline"),
            KeyValue::new("rpc.method", operation),
            KeyValue::new("cloud.region", endpoint.region.clone()),
            KeyValue::new("server.address", endpoint.address.clone()),
            KeyValue::new("server.port", i64::from(endpoint.port)),
            KeyValue::new("codepipeline_gateway.attempt", i64::from(call.progress().attempts())),
        ];
        let span = SpanBuilder::from_name(format!("CodePipeline.{operation}"))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        Some(Self(Box::new(tracer.build_with_context(span, &context_of(Some(parent))))))
    }

    /// AWS accepted the call.
    pub(crate) fn accepted(mut self, aws: &AwsResponse) {
        self.set_response(aws);
        self.0.end();
    }

    /// The attempt failed. `aws_error_code` is from the closed set of the metrics.
    pub(crate) fn failed(mut self, failure: &Failure, aws_error_code: &'static str) {
        self.set_response(&failure.aws);
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.outcome", failure.outcome.as_str()));
        self.end_with_error(match aws_error_code {
            "" => failure.reason.name(),
            "other" => "_OTHER",
            known => known,
        });
    }

    /// The call ended before the attempt.
    pub(crate) fn abandoned(self) {
        self.end_with_error("abandoned");
    }

    fn set_response(&mut self, aws: &AwsResponse) {
        if let Some(status) = aws.http_status {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if let Some(id) = &aws.request_id {
            self.0.set_attribute(KeyValue::new("aws.request_id", id.clone()));
        }
    }

    fn end_with_error(mut self, kind: &'static str) {
        self.0.set_attribute(KeyValue::new("error.type", kind));
        self.0.set_status(Status::error(""));
        self.0.end();
    }
}

fn span_context(parent: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(parent.trace_id),
        SpanId::from_bytes(parent.span_id),
        TraceFlags::SAMPLED,
        true,
        parent.state.parse().unwrap_or_default(),
    )
}

/// A context with only this span. It takes nothing from the thread's current context.
fn context_of(parent: Option<SpanContext>) -> Context {
    parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent))
}

fn shorten(text: &str) -> &str {
    truncate(text, MAX_CALLER_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        let parts = |url: &str| {
            let endpoint = AwsEndpoint::new("eu-west-1".into(), url);
            (endpoint.address.to_string(), endpoint.port)
        };
        assert_eq!(parts("https://codepipeline.eu-west-1.amazonaws.com").1, 443);
        assert_eq!(parts("http://stand-in"), ("stand-in".into(), 80));
        assert_eq!(parts("http://127.0.0.1:4599/"), ("127.0.0.1".into(), 4599));
    }
}
