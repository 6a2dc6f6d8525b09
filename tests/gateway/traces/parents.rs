//! The parent of a call's span: the caller's trace, or none. Sampling.

use std::collections::BTreeSet;

use codepipeline_gateway::telemetry::Traces;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::Sampler;

use super::{CALLER, TRACE, assert_attributes, attempts, calls, is_error, request_in_trace, world};
use crate::harness::collector::{Collector, attribute, hex, trace_settings, traces};
use crate::harness::{ACKNOWLEDGE, REGION, request_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_continues_the_callers_trace_with_a_child_per_attempt() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.add("job-1");
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let metadata = [
        ("traceparent", traceparent.as_str()),
        ("tracestate", "vendor=one,other=two"),
        ("x-request-id", "call-1"),
    ];
    world.gateway.send(request_with("job-1", &metadata)).await.ok();
    let aws_request_id = world.simulator.requests()[0].request_id.clone();
    let endpoint = world.simulator.endpoint_url();
    let port = endpoint.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    world.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let call = calls(&spans)[0];
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!((call.name.as_str(), call.kind()), (&ACKNOWLEDGE[1..], SpanKind::Server));
    assert_eq!(call.trace_state, "vendor=one,other=two");
    assert!(
        call.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset),
        "{:?}",
        call.status
    );
    assert_attributes(
        call,
        &[
            ("rpc.system.name", "grpc"),
            ("rpc.method", &ACKNOWLEDGE[1..]),
            ("rpc.status_code", "OK"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", "*"),
            ("aws.request_id", &aws_request_id),
            ("codepipeline_gateway.job_id", "job-1"),
            ("codepipeline_gateway.request_id", "call-1"),
            ("codepipeline_gateway.attempts", "1"),
        ],
    );
    let attempt = attempts(&spans, call)[0];
    assert_attempt(attempt, &port, &aws_request_id);
    let during = call.start_time_unix_nano..=call.end_time_unix_nano;
    assert!(during.contains(&attempt.start_time_unix_nano) && during.contains(&attempt.end_time_unix_nano));
    let scope = collector.exports()[0].request.resource_spans[0].scope_spans[0].clone();
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.45.0");
    assert_eq!(scope.scope.unwrap().name, "codepipeline-gateway");
}

/// Asserts that this is the span of a successful attempt in the caller's trace.
fn assert_attempt(attempt: &Span, port: &str, aws_request_id: &str) {
    assert_eq!(hex(&attempt.trace_id), TRACE);
    let kind = (attempt.name.as_str(), attempt.kind());
    assert_eq!(kind, ("CodePipeline.AcknowledgeThirdPartyJob", SpanKind::Client));
    assert!(!is_error(attempt));
    assert_attributes(
        attempt,
        &[
            ("rpc.system", "aws-api"),
            ("rpc.service", "CodePipeline"),
            ("rpc.method", "AcknowledgeThirdPartyJob"),
            ("cloud.region", REGION),
            ("server.address", "127.0.0.1"),
            ("server.port", port),
            ("http.response.status_code", "200"),
            ("aws.request_id", aws_request_id),
            ("codepipeline_gateway.attempt", "1"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_traceparent_each_call_starts_a_trace() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    let malformed =
        [format!("00-{TRACE}-{CALLER}-01-"), format!("00-{TRACE}-0000000000000000-01"), "nonsense".into()];
    world.acknowledge("job-1").await;
    for traceparent in &malformed {
        world.gateway.send(request_in_trace("job-1", traceparent)).await;
    }
    world.stop().await;
    let spans = collector.spans();
    let calls = calls(&spans);
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.parent_span_id.is_empty() && hex(&call.trace_id) != TRACE));
    assert_eq!(calls.iter().map(|call| &call.trace_id).collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsampled_calls_are_not_exported() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.gateway.send(request_in_trace("unsampled", &format!("00-{TRACE}-{CALLER}-00"))).await;
    world.gateway.send(request_in_trace("sampled", &format!("00-{TRACE}-{CALLER}-01"))).await;
    world.stop().await;
    let jobs = |spans: &[Span]| -> Vec<_> {
        calls(spans).iter().map(|call| attribute(call, "codepipeline_gateway.job_id").unwrap()).collect()
    };
    assert_eq!(jobs(&collector.spans()), ["sampled"]);
    assert_eq!(collector.spans().len(), 2, "the attempt of the unsampled call has no span");

    let mut never = trace_settings(&collector.url());
    never.sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    let world = self::world(Traces::start(&never).unwrap()).await;
    world.acknowledge("a root").await;
    world.gateway.send(request_in_trace("sampled too", &format!("00-{TRACE}-{CALLER}-01"))).await;
    world.stop().await;
    assert_eq!(jobs(&collector.spans()), ["sampled", "sampled too"]);
}
