//! What stands in a span: names and attributes by OpenTelemetry's semantic conventions 1.45.0, RPC and gRPC for the call,
//! AWS SDK for an attempt (those still say `rpc.system`); and our own under `codepipeline_gateway.`.
//!
//! A span holds what is written here and nothing else: no library adds to it, and no nonce or token passes here.

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

use crate::call::{Call, TraceContext};
use crate::error::{AwsResponse, Failure, Outcome, Reason};
use crate::methods::Method;
use crate::telemetry::access_log::code_name;
use crate::util::text::truncate;

/// The longest part of a job id or of an unknown method's name that stands in a span, in bytes. Both are the caller's.
const MAX_OF_CALLER: usize = 128;

/// The span of a call. One that is dropped without a word ends as well. Boxed: a call without one must not carry its
/// half kilobyte.
pub(crate) struct ServerSpan(Box<Span>);

impl ServerSpan {
    pub(super) fn begin(
        tracer: &SdkTracer,
        method: &Method,
        path: &str,
        peer: SocketAddr,
        caller: Option<&SpanContext>,
    ) -> Self {
        let mut attributes = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.full_name().unwrap_or("_OTHER")),
            KeyValue::new("network.peer.address", peer.ip().to_canonical().to_string()),
            KeyValue::new("network.peer.port", i64::from(peer.port())),
        ];
        if method.full_name().is_none() {
            attributes
                .push(KeyValue::new("rpc.method_original", cut(path.trim_start_matches('/')).to_owned()));
        }
        let name = method.full_name().unwrap_or("grpc");
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
        Self(Box::new(tracer.build_with_context(span, &under(caller.cloned()))))
    }

    /// Which trace it belongs to.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.0.span_context().trace_id()
    }

    /// The position that the call's attempts belong under, if they are recorded.
    pub(crate) fn trace_context(&self) -> Option<TraceContext> {
        let span = self.0.span_context();
        self.0.is_recording().then(|| TraceContext {
            trace_id: span.trace_id().to_bytes(),
            span_id: span.span_id().to_bytes(),
            state: span.trace_state().header(),
        })
    }

    /// The call has ended like this.
    pub(crate) fn ends(
        mut self,
        call: &Call,
        code: Code,
        failure: Option<(Reason, Outcome)>,
        aws: &AwsResponse,
    ) {
        if !self.0.is_recording() {
            return;
        }
        self.0.set_attribute(KeyValue::new("rpc.status_code", code_name(code)));
        if is_the_servers_fault(code) {
            self.0.set_attribute(KeyValue::new("error.type", code_name(code)));
            self.0.set_status(Status::error(""));
        }
        if let Some((reason, outcome)) = failure {
            self.0.set_attribute(KeyValue::new("codepipeline_gateway.reason", reason.name()));
            self.0.set_attribute(KeyValue::new("codepipeline_gateway.outcome", outcome.as_str()));
        }
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.request_id", call.request_id().to_owned()));
        let attempts = i64::from(call.progress().attempts());
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.attempts", attempts));
        let known = [
            ("codepipeline_gateway.job_id", call.subject().job_id().map(cut)),
            ("codepipeline_gateway.action_type", call.subject().action_type().map(cut)),
            ("codepipeline_gateway.caller", call.caller()),
            ("aws.request_id", aws.request_id.as_deref()),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                self.0.set_attribute(KeyValue::new(key, value.to_owned()));
            }
        }
        self.0.end();
    }
}

/// gRPC's conventions: what a caller did wrong, and a caller that left, is no error of the server's span.
const fn is_the_servers_fault(code: Code) -> bool {
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

/// Where attempts go.
#[derive(Clone, Debug)]
pub(crate) struct AwsEndpoint {
    region: Arc<str>,
    address: Arc<str>,
    port: u16,
}

impl AwsEndpoint {
    /// The place of this endpoint, a URL that was validated.
    pub(crate) fn new(region: Arc<str>, endpoint: &str) -> Self {
        let url = endpoint.parse::<Uri>().unwrap_or_default();
        let port = if url.scheme_str() == Some("http") { 80 } else { 443 };
        Self { region, address: url.host().unwrap_or_default().into(), port: url.port_u16().unwrap_or(port) }
    }
}

/// The span of one attempt at AWS. One that is dropped without a word ends as well.
pub(crate) struct AttemptSpan(Box<Span>);

impl AttemptSpan {
    /// None, if the call has no recorded span.
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
        Some(Self(Box::new(tracer.build_with_context(span, &under(Some(parent))))))
    }

    /// AWS accepted the call.
    pub(crate) fn accepted(mut self, aws: &AwsResponse) {
        self.answered(aws);
        self.0.end();
    }

    /// It failed. `aws_error_code` is one of the closed set that the metrics have.
    pub(crate) fn failed(mut self, failure: &Failure, aws_error_code: &'static str) {
        self.answered(&failure.aws);
        self.0.set_attribute(KeyValue::new("codepipeline_gateway.outcome", failure.outcome.as_str()));
        self.ends_badly(match aws_error_code {
            "" => failure.reason.name(),
            "other" => "_OTHER",
            known => known,
        });
    }

    /// The call ended before it did.
    pub(crate) fn abandoned(self) {
        self.ends_badly("abandoned");
    }

    fn answered(&mut self, aws: &AwsResponse) {
        if let Some(status) = aws.http_status {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if let Some(id) = &aws.request_id {
            self.0.set_attribute(KeyValue::new("aws.request_id", id.clone()));
        }
    }

    fn ends_badly(mut self, kind: &'static str) {
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

/// A context with nothing but this span in it; nothing is taken from the thread.
fn under(parent: Option<SpanContext>) -> Context {
    parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent))
}

fn cut(text: &str) -> &str {
    truncate(text, MAX_OF_CALLER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_endpoint_is_its_host_and_port() {
        let place = |endpoint: &str| {
            let place = AwsEndpoint::new("eu-west-1".into(), endpoint);
            (place.address.to_string(), place.port)
        };
        assert_eq!(place("https://codepipeline.eu-west-1.amazonaws.com").1, 443);
        assert_eq!(place("http://stand-in"), ("stand-in".into(), 80));
        assert_eq!(place("http://127.0.0.1:4599/"), ("127.0.0.1".into(), 4599));
    }
}
