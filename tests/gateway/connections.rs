//! Connections: their number, their age, and the resources that each can hold.

use std::time::{Duration, Instant};

use codepipeline_simulator::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use crate::harness::http2::{PING, PREFACE, frame, full_preface};
use crate::harness::{PATIENCE, World, acknowledge, connect, request, until, watch_health, within};

/// Reads until the other side closes or resets the connection.
async fn until_closed(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let end = socket.read_to_end(&mut rest);
    let _ = within("the end of the connection", Duration::from_secs(30), end).await;
}

/// A connection that has sent the preface and got the gateway's SETTINGS.
async fn established(world: &World) -> TcpStream {
    let mut socket = TcpStream::connect(world.gateway.address).await.unwrap();
    socket.write_all(&full_preface()).await.unwrap();
    within("SETTINGS", PATIENCE, socket.read_u8()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_closed_immediately() {
    // The health watch has one of the two.
    let world = World::changed(|settings| settings.max_connections = 2).await;
    let second = established(&world).await;
    let start = Instant::now();
    until_closed(TcpStream::connect(world.gateway.address).await.unwrap()).await;
    assert!(start.elapsed() < Duration::from_secs(5));
    // A closed connection makes room for another.
    drop(second);
    world.add("job-1");
    let call = async || acknowledge(world.gateway.new_channel(), request("job-1")).await.code();
    until("a call over a new connection", PATIENCE, call, |code| *code == Code::Ok).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_preface_is_closed() {
    let world = World::start().await;
    let silent = TcpStream::connect(world.gateway.address).await.unwrap();
    let mut half = TcpStream::connect(world.gateway.address).await.unwrap();
    half.write_all(PREFACE).await.unwrap();
    let mut idle = TcpStream::connect(world.gateway.address).await.unwrap();
    idle.write_all(&full_preface()).await.unwrap();
    let start = Instant::now();
    tokio::join!(until_closed(silent), until_closed(half));
    assert!((9..20).contains(&start.elapsed().as_secs()), "after 10 s: {:?}", start.elapsed());
    // A connection with a complete preface can be idle: it still responds to a PING.
    idle.write_all(&frame(PING, 0, 0, b"abcdefgh")).await.unwrap();
    let mut seen = Vec::new();
    let pong = async {
        while !seen.ends_with(b"abcdefgh") {
            seen.push(idle.read_u8().await.unwrap());
        }
    };
    within("a PING response", PATIENCE, pong).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_gets_goaway_and_its_calls_finish() {
    let world = World::changed(|settings| settings.max_connection_age = Duration::from_millis(200)).await;
    world.add("job-1");
    world.simulator.fault_job("job-1", Fault::delay(1000));
    let channel = connect(world.gateway.address).await;
    let mut watch = watch_health(channel.clone()).await.unwrap();
    watch.message().await.unwrap().expect("SERVING");
    let (answer, end_of_watch) = tokio::join!(
        acknowledge(channel, request("job-1")),
        within("the end of the watch", PATIENCE, watch.message())
    );
    assert_eq!(answer.ok().aws_status, "InProgress", "the call outlives the age of its connection");
    assert!(end_of_watch.unwrap().is_none(), "the watch ends with OK");
    world.stop().await;
}

/// The gateway sends the last response, long after GOAWAY, before it closes the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_call_gets_its_response_on_an_old_connection() {
    let world = World::changed(|settings| settings.max_connection_age = Duration::from_millis(200)).await;
    let call = async |n: usize| {
        let job = format!("job-{n}");
        world.add(&job);
        world.simulator.fault_job(&job, Fault::delay(3000));
        acknowledge(connect(world.gateway.address).await, request(&job)).await.ok();
    };
    futures_util::future::join_all((0..8).map(call)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_watch_nor_a_half_open_connection_delays_the_drain() {
    let world = World::changed(|settings| settings.drain_timeout = Duration::from_secs(60)).await;
    let mut watch = watch_health(world.gateway.channel.clone()).await.unwrap();
    watch.message().await.unwrap().expect("SERVING");
    let silent = TcpStream::connect(world.gateway.address).await.unwrap();
    // This client responds neither to GOAWAY nor to PING.
    let vanished = established(&world).await;
    let start = Instant::now();
    world.gateway.shutdown.stop();
    let end_of_watch = async { while watch.message().await.is_ok_and(|message| message.is_some()) {} };
    within("the end of the watch", PATIENCE, end_of_watch).await;
    world.gateway.ended().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop((silent, vanished));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_an_ended_gateway_is_free() {
    let world = World::start().await;
    let address = world.gateway.address;
    world.stop().await;
    TcpListener::bind(address).await.expect("the port is free");
}
