//! What the spans contain: names, callers and job IDs. AWS gets no trace context.

use codepipeline_gateway::auth::{AllowList, Auth};
use codepipeline_gateway::server::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic_health::pb::health_check_response::ServingStatus;

use super::{CALLER, TRACE, attempts, calls, is_error, request_in_trace, traced, world};
use crate::harness::certificates::{Authority, connect_tls, mutual_tls_files};
use crate::harness::collector::{Collector, attribute, traces};
use crate::harness::grpc::REFLECTION;
use crate::harness::{
    Gateway, NONCE, PATIENCE, TOKEN, World, acknowledge, fake_keys, loopback, raw_call, request, within,
};

#[tokio::test(flavor = "multi_thread")]
async fn health_has_no_span_and_unknown_methods_share_one_name() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    let unknown = format!("/no.such.Service/{}", "x".repeat(400));
    for path in [REFLECTION, &unknown] {
        raw_call(world.gateway.address, path, &[], Vec::new()).await.unwrap();
    }
    world.stop().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!(spans[0].name, &REFLECTION[1..]);
    assert_eq!(spans[1].name, "grpc");
    assert_eq!(attribute(&spans[1], "rpc.method").as_deref(), Some("_OTHER"));
    assert_eq!(attribute(&spans[1], "rpc.method_original").as_deref(), unknown.get(1..129));
    assert_eq!(attribute(&spans[1], "rpc.status_code").as_deref(), Some("UNIMPLEMENTED"));
    assert!(is_error(&spans[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_id_is_truncated_between_characters() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.acknowledge(&format!("a{}", "é".repeat(300))).await;
    world.stop().await;
    let id = attribute(calls(&collector.spans())[0], "codepipeline_gateway.job_id").unwrap();
    assert_eq!(id, format!("a{}", "é".repeat(63)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_span_names_allowed_and_rejected_callers() {
    let (collector, ca, folder) = (Collector::start().await, Authority::new(), TempDir::new().unwrap());
    let mut settings = traced(traces(&collector));
    settings.tls = Some(Tls::load(mutual_tls_files(&ca, folder.path())).unwrap());
    settings.auth = Auth::Mtls(AllowList::new(vec!["dns:worker.test".parse().unwrap()]).unwrap());
    let world = World::on(settings).await;
    for name in ["worker.test", "other.test"] {
        let channel = connect_tls(&world, &ca, Some(&ca.issue(name))).await.unwrap();
        acknowledge(channel, request("job-1")).await;
    }
    world.stop().await;
    let spans = collector.spans();
    let seen = calls(&spans).into_iter().map(|call| {
        let of_call = |key: &str| attribute(call, &format!("codepipeline_gateway.{key}"));
        (of_call("caller"), of_call("reason"), attempts(&spans, call).len())
    });
    let rejected = (Some("dns:other.test".to_owned()), Some("CALLER_NOT_ALLOWED".to_owned()), 0);
    let allowed = (Some("dns:worker.test".to_owned()), Some("JOB_NOT_FOUND".to_owned()), 1);
    assert_eq!(seen.collect::<Vec<_>>(), [allowed, rejected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_aws_have_no_trace_context() {
    let aws = loopback().await;
    let collector = Collector::start().await;
    let url = format!("http://{}", aws.local_addr().unwrap());
    let gateway = Gateway::start(url, traced(traces(&collector)), Some(fake_keys())).await;
    let answer = async {
        let mut socket = within("a connection", PATIENCE, aws.accept()).await.unwrap().0;
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"status\":\"InProgress\"}";
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head).to_lowercase()
    };
    let call = gateway.send(request_in_trace("job-1", &format!("00-{TRACE}-{CALLER}-01")));
    let (answer, head) = tokio::join!(call, answer);
    answer.ok();
    assert!(head.contains("x-amz-target"), "{head}");
    for word in ["traceparent", "tracestate", "x-amzn-trace-id", "baggage", TRACE] {
        assert!(!head.contains(word), "{word}: {head}");
    }
    gateway.stop().await.unwrap();
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_contain_no_secret_of_a_request() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    world.acknowledge("job-1").await;
    world.stop().await;
    let sent: Vec<u8> = collector.exports().iter().flat_map(|export| export.raw.to_vec()).collect();
    let keys = fake_keys();
    assert!(sent.windows(5).any(|part| part == b"job-1"), "the job ID isn't a secret");
    for secret in [NONCE, TOKEN, &keys.access_key_id, &keys.secret_access_key] {
        assert!(!sent.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}
