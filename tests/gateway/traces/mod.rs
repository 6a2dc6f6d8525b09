//! Traces: the spans of calls and attempts at a collector. No collector can affect a call.

mod attempts;
mod collectors;
mod exports;
mod identity;
mod parents;
mod shutdown;

use std::collections::BTreeSet;
use std::time::Duration;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_gateway::telemetry::Traces;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tonic::Request;

use crate::harness::collector::attribute;
use crate::harness::{PATIENCE, Settings, World, request_with, settings, until};

/// The ID of the caller's trace.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The ID of the caller's span.
const CALLER: &str = "00f067aa0ba902b7";

/// A test that waits for this long fails.
const LONG: Duration = Duration::from_secs(3600);

fn traced(traces: Traces) -> Settings {
    Settings { traces, ..settings() }
}

async fn world(traces: Traces) -> World {
    World::on(traced(traces)).await
}

/// A request whose caller has a trace.
fn request_in_trace(id: &str, traceparent: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    request_with(id, &[("traceparent", traceparent)])
}

/// The spans of calls, in the order of their ends.
fn calls(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == SpanKind::Server).collect()
}

/// The spans of a call's attempts.
fn attempts<'a>(spans: &'a [Span], call: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent_span_id == call.span_id).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

/// Asserts that the span has exactly these attributes. `*` stands for any value.
fn assert_attributes(span: &Span, wanted: &[(&str, &str)]) {
    let keys: BTreeSet<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, wanted.iter().map(|(key, _)| *key).collect(), "{}", span.name);
    for (key, value) in wanted {
        if *value != "*" {
            assert_eq!(attribute(span, key).as_deref(), Some(*value), "{key} of {}", span.name);
        }
    }
}

/// The counts of the spans: exported, failed, dropped.
async fn export_counts(world: &World) -> [f64; 3] {
    let count = async |result: &str| {
        let series = format!("codepipeline_gateway_trace_exports_total{{result=\"{result}\"}}");
        world.gateway.metric(&series).await
    };
    [count("ok").await, count("error").await, count("dropped").await]
}

async fn until_export_counts(world: &World, condition: impl Fn(&[f64; 3]) -> bool) {
    until("counted spans", PATIENCE, async || export_counts(world).await, condition).await;
}
