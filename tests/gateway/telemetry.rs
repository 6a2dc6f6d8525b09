//! What operators see of each operation: its metrics, its spans, and its log line.

use codepipeline_simulator::{Fault, Job, OperationName};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::harness::collector::{Collector, attribute, traces};
use crate::harness::{
    NONCE, Program, TOKEN, World, call, channel, details_request, failure_request, job_for, poll_request,
    request, series_value, serve, simulator_with, success_request, unary,
};

const SERVICE: &str = "codepipeline.thirdparty.v1.ThirdPartyJobService";
const ACTION_TYPE: &str = "Test/ThirdParty/FakeProvider/1";

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_attempts_are_counted_by_operation() {
    let world = World::start().await;
    // The first operation gets one call, the second two, and so on. One attempt of each is
    // throttled.
    for (calls, operation) in (1_u8..).zip(OperationName::ALL) {
        world.simulator.fault_operation(operation, 1, Fault::error("ThrottlingException"));
        for _call in 0..calls {
            world.add_for(operation, "job-1");
            world.call(operation, "job-1").await.ok();
        }
        world.simulator.fault_operation(operation, 1, Fault::error("AccessDeniedException"));
        assert_eq!(world.call(operation, "job-1").await.reason(), "GATEWAY_ACCESS_DENIED");
    }
    let page = world.gateway.get("/metrics", "text/plain").await.1;
    for (calls, operation) in (1_u8..).zip(OperationName::ALL) {
        let name = operation.as_str();
        let attempts = |result: &str, code: &str| {
            let labels = format!("operation=\"{name}\",result=\"{result}\",aws_error_code=\"{code}\"");
            series_value(&page, &format!("codepipeline_gateway_aws_attempts_total{{{labels}}}"))
        };
        assert_eq!(attempts("ok", ""), f64::from(calls), "{name}");
        assert_eq!(attempts("rejected", "ThrottlingException"), 1.0, "{name}");
        assert_eq!(attempts("rejected", "AccessDeniedException"), 1.0, "{name}");
        assert_eq!(attempts("unknown", ""), 0.0, "{name}");
        let seconds = format!("codepipeline_gateway_aws_attempt_seconds_count{{operation=\"{name}\"}}");
        assert_eq!(series_value(&page, &seconds), f64::from(calls + 2), "{name}");
        let method = format!("grpc_type=\"unary\",grpc_service=\"{SERVICE}\",grpc_method=\"{name}\"");
        let handled = |code: &str| {
            series_value(&page, &format!("grpc_server_handled_total{{{method},grpc_code=\"{code}\"}}"))
        };
        assert_eq!((handled("OK"), handled("Internal")), (f64::from(calls), 1.0), "{name}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_named_after_their_operation() {
    let collector = Collector::start().await;
    let world = World::changed(|settings| settings.traces = traces(&collector)).await;
    for operation in OperationName::ALL {
        world.add_for(operation, "job-1");
        world.call(operation, "job-1").await.ok();
    }
    world.stop().await;
    let spans = collector.spans();
    for operation in OperationName::ALL {
        let name = operation.as_str();
        let find = |wanted: String| {
            let mut found = spans.iter().filter(|span| span.name == wanted);
            let first = found.next().unwrap_or_else(|| panic!("no {wanted}"));
            assert!(found.next().is_none(), "a second {wanted}");
            first
        };
        let call = find(format!("{SERVICE}/{name}"));
        let attempt = find(format!("CodePipeline.{name}"));
        assert_eq!((call.kind(), attempt.kind()), (SpanKind::Server, SpanKind::Client), "{name}");
        assert_eq!(attempt.parent_span_id, call.span_id, "{name}");
        let of_attempt = |key| attribute(attempt, key).unwrap_or_default();
        assert_eq!(
            (of_attempt("rpc.service"), of_attempt("rpc.method")),
            ("CodePipeline".into(), name.into())
        );
        assert_eq!(attribute(call, "codepipeline_gateway.job_id").as_deref(), Some("job-1"), "{name}");
        let has_action_type = [OperationName::PollForThirdPartyJobs, OperationName::GetThirdPartyJobDetails]
            .contains(&operation);
        let action_type = attribute(call, "codepipeline_gateway.action_type");
        assert_eq!(action_type.as_deref(), has_action_type.then_some(ACTION_TYPE), "{name}");
    }
}

/// The log line of the next call.
async fn line(program: &mut Program) -> Value {
    let line = program.err.until(|line| line.contains("\"message\":\"call\"")).await;
    serde_json::from_str(&line).unwrap()
}

/// The fields of a log line that say what the call was about.
fn subject(line: &Value) -> Value {
    let fields = ["method", "code", "job_id", "client_id", "action_type", "jobs", "attempts"];
    fields.iter().map(|field| line[field].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_line_says_what_a_call_was_about() {
    let simulator = simulator_with(&[]).await;
    let (mut program, address) = serve(&simulator, &["--log-format=json"]).await;
    for (id, client) in [("job-1", "client-a"), ("job-2", "client-b")] {
        simulator.add_job(Job { client_id: client.into(), ..Job::queued(id, NONCE, TOKEN) });
    }
    let channel = channel(address);
    let poll_line =
        |jobs, clients, count| json!(["PollForThirdPartyJobs", "OK", jobs, clients, ACTION_TYPE, count, 1]);
    unary(channel.clone(), poll_request()).await.ok();
    let expected = poll_line(json!("job-1, job-2"), json!("client-a, client-b"), json!(2));
    assert_eq!(subject(&line(&mut program).await), expected);
    unary(channel.clone(), poll_request()).await.ok();
    assert_eq!(subject(&line(&mut program).await), poll_line(Value::Null, Value::Null, json!(0)));

    unary(channel.clone(), details_request("job-1")).await.ok();
    let expected = json!(["GetThirdPartyJobDetails", "OK", "job-1", null, ACTION_TYPE, null, 1]);
    assert_eq!(subject(&line(&mut program).await), expected);
    for id in ["job-1", "job-2"] {
        unary(channel.clone(), request(id)).await.ok();
        let expected = json!(["AcknowledgeThirdPartyJob", "OK", id, null, null, null, 1]);
        assert_eq!(subject(&line(&mut program).await), expected);
    }
    unary(channel.clone(), success_request("job-1")).await.ok();
    let expected = json!(["PutThirdPartyJobSuccessResult", "OK", "job-1", null, null, null, 1]);
    assert_eq!(subject(&line(&mut program).await), expected);
    unary(channel, failure_request("job-2")).await.ok();
    let expected = json!(["PutThirdPartyJobFailureResult", "OK", "job-2", null, null, null, 1]);
    assert_eq!(subject(&line(&mut program).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_line_of_a_failed_call_says_what_it_was_about() {
    let simulator = simulator_with(&[]).await;
    let (mut program, address) = serve(&simulator, &["--log-format=json"]).await;
    for operation in OperationName::ALL {
        simulator.add_job(job_for(operation, "job-1"));
        simulator.fault_operation(operation, 1, Fault::error("ValidationException"));
        call(channel(address), operation, "job-1").await;
        let is_poll = operation == OperationName::PollForThirdPartyJobs;
        let line = line(&mut program).await;
        let job_id = if is_poll { Value::Null } else { json!("job-1") };
        let action_type = if is_poll { json!(ACTION_TYPE) } else { Value::Null };
        let expected = json!([operation.as_str(), "INVALID_ARGUMENT", job_id, null, action_type, null, 1]);
        assert_eq!(subject(&line), expected);
        let end = (&line["reason"], &line["outcome"], &line["aws_error_code"]);
        assert_eq!(end, (&json!("VALIDATION_FAILED"), &json!("rejected"), &json!("ValidationException")));
    }
    // A rejected request is described as far as it can be.
    let mut bad = poll_request();
    bad.max_batch_size = Some(0);
    unary(channel(address), bad).await;
    let line = line(&mut program).await;
    assert_eq!(
        (&line["reason"], &line["invalid_fields"]),
        (&json!("INVALID_REQUEST"), &json!("max_batch_size"))
    );
}
