//! The plain HTTP side: probes and metrics.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use codepipeline_simulator::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::harness::{World, fake_keys, request, settings};

const METHOD: &str = r#"grpc_type="unary",grpc_service="codepipeline.thirdparty.v1.ThirdPartyJobService",grpc_method="AcknowledgeThirdPartyJob""#;

async fn get(world: &World, path: &str, accept: &str) -> (String, String) {
    world.gateway.get(path, accept).await
}

async fn metrics(world: &World) -> String {
    get(world, "/metrics", "text/plain").await.1
}

/// The value of one series; a series that isn't there fails the test.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_health_and_says_why() {
    let world = World::with(settings(), None).await;
    let (head, body) = get(&world, "/readyz", "*/*").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(body.starts_with("not ready: ") && body.contains("credentials"), "{body}");
    assert!(get(&world, "/livez", "*/*").await.0.starts_with("HTTP/1.1 200 "));
    world.stop().await;

    let mut settings = settings();
    settings.shutdown_delay = std::time::Duration::from_secs(60);
    let world = World::with(settings, Some(fake_keys())).await;
    assert!(get(&world, "/readyz", "*/*").await.0.starts_with("HTTP/1.1 200 "));
    world.gateway.shutdown.stop();
    world.gateway.wait_for_health(ServingStatus::NotServing).await;
    let (head, body) = get(&world, "/readyz", "*/*").await;
    assert!(head.starts_with("HTTP/1.1 503 ") && body == "not ready: shutting down\n", "{head} {body}");
    assert!(get(&world, "/livez", "*/*").await.0.starts_with("HTTP/1.1 200 "), "alive to the last");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_that_can_be_known_is_there_from_the_start() {
    let world = World::start().await;
    let page = metrics(&world).await;
    assert_eq!(value(&page, &format!("grpc_server_started_total{{{METHOD}}}")), 0.0);
    for code in ["OK", "Canceled", "DeadlineExceeded", "Unavailable", "Unknown"] {
        assert_eq!(value(&page, &format!("grpc_server_handled_total{{{METHOD},grpc_code=\"{code}\"}}")), 0.0);
    }
    assert_eq!(value(&page, &format!("grpc_server_handling_seconds_count{{{METHOD}}}")), 0.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="AWS_THROTTLED"}"#), 0.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_credentials_refreshes_total{result="ok"}"#), 1.0);
    assert_eq!(value(&page, "codepipeline_gateway_in_flight"), 0.0);
    assert!(value(&page, "codepipeline_gateway_connections") >= 1.0, "the health watch's own");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&page, &format!("codepipeline_gateway_build_info{{version=\"{version}\"}}")), 1.0);
    for process in ["resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"] {
        assert!(value(&page, &format!("process_{process}")) > 0.0, "{process}");
    }
    assert!(value(&page, "process_cpu_seconds_total") >= 0.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_attempts_are_counted_by_how_they_ended() {
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
    world.gateway.send(codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest::default()).await;

    let page = metrics(&world).await;
    let handled =
        |code: &str| value(&page, &format!("grpc_server_handled_total{{{METHOD},grpc_code=\"{code}\"}}"));
    assert_eq!(value(&page, &format!("grpc_server_started_total{{{METHOD}}}")), 6.0);
    assert_eq!(handled("OK"), 1.0);
    assert_eq!(handled("NotFound"), 1.0);
    assert_eq!(handled("InvalidArgument"), 1.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="INVALID_NONCE"}"#), 1.0);
    let attempts = |result: &str, code: &str| {
        value(
            &page,
            &format!(
                "codepipeline_gateway_aws_attempts_total{{operation=\"AcknowledgeThirdPartyJob\",\
                 result=\"{result}\",aws_error_code=\"{code}\"}}"
            ),
        )
    };
    assert_eq!(attempts("ok", ""), 1.0);
    assert_eq!(attempts("rejected", "ThrottlingException"), 3.0);
    assert_eq!(attempts("rejected", "other"), 1.0, "AWS can't make new series");
    assert_eq!(
        value(
            &page,
            r#"codepipeline_gateway_aws_attempt_seconds_count{operation="AcknowledgeThirdPartyJob"}"#
        ),
        7.0
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_shown_and_one_that_is_given_up_is_counted() {
    let world = World::start().await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    tokio::select! {
        _ = world.gateway.send(request("job-1")) => panic!("it hangs"),
        () = async {
            world.simulator.wait_for_requests(1).await;
            assert_eq!(value(&metrics(&world).await, "codepipeline_gateway_in_flight"), 1.0);
        } => {}
    }
    world.simulator.wait_for_abandoned(1).await;
    let page = metrics(&world).await;
    assert_eq!(value(&page, "codepipeline_gateway_in_flight"), 0.0);
    assert_eq!(value(&page, &format!("grpc_server_handled_total{{{METHOD},grpc_code=\"Canceled\"}}")), 1.0);
    assert_eq!(value(&page, r#"codepipeline_gateway_errors_total{reason="CALLER_CANCELLED"}"#), 1.0);
    let abandoned = concat!(
        r#"codepipeline_gateway_aws_attempts_total{operation="AcknowledgeThirdPartyJob","#,
        r#"result="abandoned",aws_error_code=""}"#
    );
    assert_eq!(value(&page, abandoned), 1.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_gets_the_format_that_it_asks_for() {
    let world = World::start().await;
    let (head, page) = get(&world, "/metrics", "application/openmetrics-text; version=1.0.0").await;
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(page.ends_with("# EOF\n"));
    let (head, page) = get(&world, "/metrics", "text/plain").await;
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(!page.contains("# EOF"));
    world.stop().await;
}

/// What the admin port gives a connection for its request.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// Whoever opens connections to the admin port and holds them can't keep a probe from its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_while_somebody_holds_connections() {
    let world = World::start().await;
    let begun = Instant::now();
    let mut held = Vec::new();
    for n in 0..=300_usize {
        let mut socket = TcpStream::connect(world.gateway.admin).await.unwrap();
        // Silent ones, ones with half a request, and ones that don't take their answer.
        let sent: &[u8] = [&b""[..], b"GET /livez HTT", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"][n % 3];
        socket.write_all(sent).await.unwrap();
        held.push(socket);
        if n % 30 == 0 {
            assert!(get(&world, "/livez", "*/*").await.0.starts_with("HTTP/1.1 200 "));
        }
    }
    // The oldest made room at once, and the newest is still there: unless, on a slow machine, their time was over anyway.
    let newest = held.pop().unwrap();
    let mut byte = [0];
    let opened = begun.elapsed();
    let _ = timeout(Duration::from_secs(60), held[0].read(&mut byte)).await.expect("an end");
    let open = newest.try_read(&mut byte).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    let in_time = open && begun.elapsed() < HEADER_TIME;
    assert!(in_time || opened >= HEADER_TIME / 2, "{opened:?}, {:?}", begun.elapsed());
    // And what is left of them ends by itself.
    for mut socket in held {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(60), socket.read_to_end(&mut rest)).await.expect("an end");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giant_request_is_refused() {
    let world = World::start().await;
    let mut socket = TcpStream::connect(world.gateway.admin).await.unwrap();
    let request = format!("GET /livez HTTP/1.1\r\nHost: a\r\nX-Giant: {}\r\n\r\n", "a".repeat(64 * 1024));
    // The answer may come before the rest was taken.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = vec![0; 12];
    let read = socket.read_exact(&mut answer).await;
    assert!(read.is_err() || answer == b"HTTP/1.1 431", "{}", String::from_utf8_lossy(&answer));
    assert!(get(&world, "/livez", "*/*").await.0.starts_with("HTTP/1.1 200 "));
    world.stop().await;
}
