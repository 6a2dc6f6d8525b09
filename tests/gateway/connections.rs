//! Connections: how many, how long, and that none of them holds more than its own.

use std::time::{Duration, Instant};

use codepipeline_simulator::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Answer, World, fake_keys, loopback, request, settings};

/// HTTP/2's greeting: the preface and an empty SETTINGS frame.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Reads until the other side ends the connection, however it does.
async fn ended(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let _ =
        tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut rest)).await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_past_the_limit_is_closed_at_once() {
    let mut settings = settings();
    settings.max_connections = 2;
    let world = World::with(settings, Some(fake_keys())).await; // The health watch has one.
    let mut greeted = TcpStream::connect(world.gateway.address).await.unwrap();
    greeted.write_all(GREETING).await.unwrap();
    greeted.read_u8().await.unwrap();
    let begun = Instant::now();
    ended(TcpStream::connect(world.gateway.address).await.unwrap()).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    // With one gone there is room for another.
    drop(greeted);
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_greets_is_closed() {
    let world = World::start().await;
    let silent = TcpStream::connect(world.gateway.address).await.unwrap();
    let mut half = TcpStream::connect(world.gateway.address).await.unwrap();
    half.write_all(&GREETING[..24]).await.unwrap();
    let mut idle = TcpStream::connect(world.gateway.address).await.unwrap();
    idle.write_all(GREETING).await.unwrap();
    let begun = Instant::now();
    tokio::join!(ended(silent), ended(half));
    assert!((9..20).contains(&begun.elapsed().as_secs()), "after 10 s: {:?}", begun.elapsed());
    // One that has greeted may be idle: it still answers a PING.
    idle.write_all(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00abcdefgh").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"abcdefgh") {
        seen.push(idle.read_u8().await.unwrap());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_gets_goaway_and_its_calls_finish() {
    let mut settings = settings();
    settings.max_connection_age = Duration::from_millis(200);
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(1000));
    let endpoint = Endpoint::from_shared(format!("http://{}", world.gateway.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut watch = HealthClient::new(channel.clone());
    let mut watch = watch.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("SERVING");
    let mut client =
        codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient::new(channel);
    let (answer, end_of_watch) =
        tokio::join!(client.acknowledge_third_party_job(request("job-1")), watch.message());
    assert_eq!(Answer::from(answer).ok().aws_status, "InProgress", "it outlived its connection's age");
    assert!(end_of_watch.unwrap().is_none(), "the watch ends, and well");
    world.stop().await;
}

/// Long after GOAWAY: the last answer on a connection is sent before the connection is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_long_has_its_answer_on_an_old_connection() {
    let mut settings = settings();
    settings.max_connection_age = Duration::from_millis(200);
    let world = World::with(settings, Some(fake_keys())).await;
    let call = async |n: usize| {
        let job = format!("job-{n}");
        world.add(&job);
        world.simulator.fault_job(&job, Fault::delay(3000));
        let endpoint = Endpoint::from_shared(format!("http://{}", world.gateway.address)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut client =
            codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient::new(
                channel,
            );
        Answer::from(client.acknowledge_third_party_job(request(&job)).await).ok();
    };
    futures_util::future::join_all((0..8).map(call)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_watch_nor_a_half_open_connection_holds_the_drain() {
    let mut settings = settings();
    settings.drain_timeout = Duration::from_secs(60);
    let world = World::with(settings, Some(fake_keys())).await;
    let mut watch = HealthClient::new(world.gateway.channel.clone());
    let mut watch = watch.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("SERVING");
    let silent = TcpStream::connect(world.gateway.address).await.unwrap();
    // It has greeted, and will answer neither GOAWAY nor PING.
    let mut vanished = TcpStream::connect(world.gateway.address).await.unwrap();
    vanished.write_all(GREETING).await.unwrap();
    vanished.read_u8().await.unwrap();
    let begun = Instant::now();
    world.gateway.shutdown.stop();
    while watch.message().await.is_ok_and(|message| message.is_some()) {}
    world.gateway.ended().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop((silent, vanished));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_a_gateway_that_ended_is_free() {
    let world = World::start().await;
    let address = world.gateway.address;
    world.stop().await;
    assert_ne!(loopback().await.local_addr().unwrap(), address);
    tokio::net::TcpListener::bind(address).await.expect("nobody holds it");
}
