//! The admin port: probes and metrics.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_simulator::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::{
    ACKNOWLEDGE, PATIENCE, World, series_value as value, service_and_name, settings, within,
};

/// A series of the gRPC metrics for AcknowledgeThirdPartyJob, with these further labels.
fn of_method(name: &str, labels: &str) -> String {
    let (service, method) = service_and_name(ACKNOWLEDGE);
    format!("{name}{{grpc_type=\"unary\",grpc_service=\"{service}\",grpc_method=\"{method}\"{labels}}}")
}

fn handled(code: &str) -> String {
    of_method("grpc_server_handled_total", &format!(",grpc_code=\"{code}\""))
}

/// The series of the attempts with this result and error code.
fn attempts(result: &str, code: &str) -> String {
    let operation = service_and_name(ACKNOWLEDGE).1;
    format!(
        "codepipeline_gateway_aws_attempts_total{{operation=\"{operation}\",\
         result=\"{result}\",aws_error_code=\"{code}\"}}"
    )
}

const ATTEMPT_COUNT: &str =
    r#"codepipeline_gateway_aws_attempt_seconds_count{operation="AcknowledgeThirdPartyJob"}"#;

async fn metrics(world: &World) -> String {
    world.gateway.get("/metrics", "text/plain").await.1
}

/// The head and the body of a probe's response.
async fn probe(world: &World, path: &str) -> (String, String) {
    world.gateway.get(path, "*/*").await
}

async fn is_alive(world: &World) -> bool {
    probe(world, "/livez").await.0.starts_with("HTTP/1.1 200 ")
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_health_and_reports_why() {
    let world = World::with(settings(), None).await;
    let (head, body) = probe(&world, "/readyz").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(body.starts_with("not ready: ") && body.contains("credentials"), "{body}");
    assert!(is_alive(&world).await);
    world.stop().await;

    let world = World::changed(|settings| settings.shutdown_delay = Duration::from_secs(60)).await;
    assert!(world.gateway.is_ready().await);
    world.gateway.shutdown.stop();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let (head, body) = probe(&world, "/readyz").await;
    assert!(head.starts_with("HTTP/1.1 503 ") && body == "not ready: shutting down\n", "{head} {body}");
    assert!(is_alive(&world).await, "alive until the end");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_known_series_exists_from_the_start() {
    let world = World::start().await;
    let page = metrics(&world).await;
    assert_eq!(value(&page, &of_method("grpc_server_started_total", "")), 0.0);
    for code in ["OK", "Canceled", "DeadlineExceeded", "Unavailable", "Unknown"] {
        assert_eq!(value(&page, &handled(code)), 0.0);
    }
    assert_eq!(value(&page, &of_method("grpc_server_handling_seconds_count", "")), 0.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="AWS_THROTTLED"}"#), 0.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_credentials_refreshes_total{result="ok"}"#), 1.0);
    assert_eq!(value(&page, "codepipeline_gateway_in_flight"), 0.0);
    assert!(value(&page, "codepipeline_gateway_connections") >= 1.0, "the connection of the health watch");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&page, &format!("codepipeline_gateway_build_info{{version=\"{version}\"}}")), 1.0);
    for process in ["resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"] {
        assert!(value(&page, &format!("process_{process}")) > 0.0, "{process}");
    }
    assert!(value(&page, "process_cpu_seconds_total") >= 0.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_attempts_are_counted_by_their_results() {
    let world = World::start().await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    world.acknowledge("job-1").await;
    world.acknowledge("job-0").await;
    for _attempt in 0..3 {
        world.simulator.fault_job("job-2", Fault::error("ThrottlingException"));
    }
    world.acknowledge("job-2").await;
    world.simulator.fault_job("job-3", Fault::error("MadeUpOnTheSpotException"));
    world.acknowledge("job-3").await;
    world.gateway.send(AcknowledgeThirdPartyJobRequest::default()).await;

    let page = metrics(&world).await;
    assert_eq!(value(&page, &of_method("grpc_server_started_total", "")), 6.0);
    assert_eq!(value(&page, &handled("OK")), 1.0);
    assert_eq!(value(&page, &handled("NotFound")), 1.0);
    assert_eq!(value(&page, &handled("InvalidArgument")), 1.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="INVALID_NONCE"}"#), 1.0);
    assert_eq!(value(&page, &attempts("ok", "")), 1.0);
    assert_eq!(value(&page, &attempts("rejected", "ThrottlingException")), 3.0);
    assert_eq!(value(&page, &attempts("rejected", "other")), 1.0, "AWS can't create a series");
    assert_eq!(value(&page, ATTEMPT_COUNT), 7.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_and_abandoned_calls_are_counted() {
    let world = World::start().await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.acknowledge("job-1") => panic!("the call ends"),
        () = async {
            world.wait_for_requests(1).await;
            assert_eq!(value(&metrics(&world).await, "codepipeline_gateway_in_flight"), 1.0);
        } => {}
    }
    world.wait_for_abandoned(1).await;
    let page = metrics(&world).await;
    assert_eq!(value(&page, "codepipeline_gateway_in_flight"), 0.0);
    assert_eq!(value(&page, &handled("Canceled")), 1.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="CALLER_CANCELLED"}"#), 1.0);
    assert_eq!(value(&page, &attempts("abandoned", "")), 1.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_gets_the_requested_format() {
    let world = World::start().await;
    let (head, page) = world.gateway.get("/metrics", "application/openmetrics-text; version=1.0.0").await;
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(page.ends_with("# EOF\n"));
    let (head, page) = world.gateway.get("/metrics", "text/plain").await;
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(!page.contains("# EOF"));
    world.stop().await;
}

/// The time limit of the admin port for the head of a request.
const HEADER_TIME: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn held_connections_do_not_block_a_probe() {
    let world = World::start().await;
    let start = Instant::now();
    let mut held = Vec::new();
    for n in 0..=300_usize {
        let mut socket = TcpStream::connect(world.gateway.admin).await.unwrap();
        // Nothing, an incomplete request, or a request whose response the client doesn't read.
        let sent: &[u8] = [&b""[..], b"GET /livez HTT", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"][n % 3];
        socket.write_all(sent).await.unwrap();
        held.push(socket);
        if n % 30 == 0 {
            assert!(is_alive(&world).await);
        }
    }
    // The oldest connection was closed first, and the newest is open. On a slow machine the header
    // time can close both.
    let newest = held.pop().unwrap();
    let mut byte = [0];
    let opened = start.elapsed();
    let _ = within("the end of the oldest connection", PATIENCE, held[0].read(&mut byte)).await;
    let open = newest.try_read(&mut byte).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    let in_time = open && start.elapsed() < HEADER_TIME;
    assert!(in_time || opened >= HEADER_TIME / 2, "{opened:?}, {:?}", start.elapsed());
    // The other connections end at their time limit.
    for mut socket in held {
        let mut rest = Vec::new();
        let _ = within("the end of a connection", PATIENCE, socket.read_to_end(&mut rest)).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giant_request_is_rejected() {
    let world = World::start().await;
    let mut socket = TcpStream::connect(world.gateway.admin).await.unwrap();
    let request = format!("GET /livez HTTP/1.1\r\nHost: a\r\nX-Giant: {}\r\n\r\n", "a".repeat(64 * 1024));
    // The response can come before the whole request was sent.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = vec![0; 12];
    let read = within("a response", PATIENCE, socket.read_exact(&mut answer)).await;
    assert!(read.is_err() || answer == b"HTTP/1.1 431", "{}", String::from_utf8_lossy(&answer));
    assert!(is_alive(&world).await);
    world.stop().await;
}
