//! The cost of one connection: each limit of HTTP/2 streams, as a client sees it.

use std::time::{Duration, Instant};

use codepipeline_simulator::Fault;
use futures_util::future::join_all;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::harness::http2::{
    CALM, DATA, END_STREAM, HEADERS, Raw, begin, call, frame, id, message, rst, window_update, zero_window,
};
use crate::harness::{
    ACKNOWLEDGE, Acknowledged, CHECK, PATIENCE, World, acknowledge, check_health, connect, request, until,
    watch_health,
};

/// The client opens and resets streams until the gateway closes the connection.
#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset_ends_only_its_own_connection() {
    let world = World::start().await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let flood = (0..1000).flat_map(|n| [call(id(n), CHECK), rst(id(n))].concat()).collect::<Vec<_>>();
    raw.send(&flood).await;
    assert_eq!(raw.until_closed().await.goaway, Some(CALM));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    world.stop().await;
}

/// The client violates the protocol, so that the gateway resets the streams.
#[tokio::test(flavor = "multi_thread")]
async fn made_you_reset_ends_the_connection() {
    let world = World::start().await;
    let mut raw = Raw::plain(world.gateway.address).await;
    for n in 0..2000 {
        raw.send(&[begin(id(n), ACKNOWLEDGE), window_update(id(n), 0x7fff_ffff)].concat()).await;
    }
    let seen = raw.until_closed().await;
    assert_eq!(seen.goaway, Some(CALM), "{seen:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_watches_have_a_limit_of_their_own() {
    let world = World::start().await;
    let channel = connect(world.gateway.address).await;
    let watch = || watch_health(channel.clone());
    let mut open: Vec<_> = join_all((0..16).map(|_| watch())).await.into_iter().map(Result::unwrap).collect();
    let rejected = Acknowledged::from(watch().await.unwrap_err());
    assert_eq!(
        (rejected.code(), rejected.reason().as_str()),
        (Code::ResourceExhausted, "GATEWAY_OVERLOADED")
    );
    // Neither a call nor a health check on the same connection is affected.
    world.add("job-1");
    check_health(channel.clone()).await.expect("a health check is never rejected");
    acknowledge(channel.clone(), request("job-1")).await.ok();
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    // A closed watch makes room for another.
    open.pop();
    until("a new watch", PATIENCE, async || watch().await.map(drop), Result::is_ok).await.unwrap();
    drop((open, channel));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_succeeds_when_all_watches_are_in_use() {
    // The global limit is 3 more than the 16 of one connection.
    let world = World::changed(|settings| settings.max_connections = 3).await;
    let (greedy, other) = (connect(world.gateway.address).await, connect(world.gateway.address).await);
    let mut open = join_all((0..16).map(|_| watch_health(greedy.clone()))).await;
    open.extend(join_all((0..3).map(|_| watch_health(other.clone()))).await);
    assert!(open.iter().all(Result::is_ok));
    assert_eq!(watch_health(other.clone()).await.unwrap_err().code(), Code::ResourceExhausted);
    check_health(other.clone()).await.expect("a health check");
    drop((open, greedy, other));
    world.stop().await;
}

/// Health checks need no authentication, so they have a shorter deadline and a smaller size limit
/// than calls.
#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_health_check_has_a_short_deadline() {
    let world = World::changed(|settings| settings.deadlines.default = settings.deadlines.max).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let start = Instant::now();
    raw.send(&[begin(id(0), CHECK), frame(DATA, 0, id(0), &message(&[0; 4000])[..3000])].concat()).await;
    raw.until_responses(1).await;
    let took = start.elapsed().as_secs();
    assert!((4..20).contains(&took), "after 5 s, not after the maximum deadline of 30 s: {took}");
    let start = Instant::now();
    let too_large = &message(&[0; 5000])[..100];
    raw.send(&[begin(id(1), CHECK), frame(DATA, 0, id(1), too_large)].concat()).await;
    raw.until_responses(2).await;
    assert!(start.elapsed() < Duration::from_secs(4), "rejected by its prefix: {:?}", start.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_streams_have_a_limit_of_their_own() {
    let world = World::start().await;
    let (mut open, mut rejected) = (Vec::new(), 0);
    for _ in 0..5 {
        let client = ServerReflectionClient::new(world.gateway.new_channel());
        for _ in 0..16 {
            match client.clone().server_reflection_info(futures_util::stream::pending()).await {
                Ok(stream) => open.push((stream, client.clone())),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted);
                    assert!(status.message().contains("reflection streams are open"), "{status:?}");
                    rejected += 1;
                }
            }
        }
    }
    assert_eq!((open.len(), rejected), (64, 16));
    let watch = watch_health(world.gateway.new_channel()).await.expect("a health watch");
    drop((open, watch));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_never_reads_loses_its_connection_at_its_age() {
    let world = World::changed(|settings| {
        settings.max_connection_age = Duration::from_millis(200);
        settings.deadlines.default = Duration::from_secs(1);
        settings.deadlines.max = Duration::from_secs(1);
    })
    .await;
    let mut raw = Raw::with_settings(world.gateway.address, &zero_window()).await;
    raw.send(&call(1, CHECK)).await;
    // Without PING responses, the keepalive would close the connection later.
    raw.reply_to_pings();
    let seen = raw.until_closed().await;
    assert!(
        seen.count(HEADERS) >= 1 && seen.count(DATA) == 0,
        "a response that the client doesn't read: {seen:?}"
    );
    assert_eq!(seen.goaway, Some(0), "{seen:?}");
    world.stop().await;
}

/// All HEADERS first, then all messages, as HTTP/2 libraries send concurrent calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_valid_burst_on_one_connection_is_not_a_flood() {
    const CALLS: u32 = 4000;
    let world = World::changed(|settings| settings.max_in_flight = CALLS as usize).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let heads = (0..CALLS).flat_map(|n| begin(id(n), ACKNOWLEDGE));
    // The message and the end are separate frames, as tonic sends them. An empty message is
    // invalid.
    let messages = (0..CALLS).flat_map(|n| frame(DATA, 0, id(n), &message(&[])));
    let ends = (0..CALLS).flat_map(|n| frame(DATA, END_STREAM, id(n), &[]));
    raw.send(&heads.chain(messages).chain(ends).collect::<Vec<_>>()).await;
    raw.until_responses(CALLS as usize).await;
    let seen = raw.until(Duration::ZERO).await;
    assert_eq!((seen.goaway.unwrap_or(0), seen.resets.len()), (0, 0), "{seen:?}");
    world.stop().await;
}

/// The calls are rejected before their messages arrive. That violates no rule of HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_calls_do_not_close_the_connection() {
    const CALLS: u32 = 1500;
    let world = World::changed(|settings| settings.max_in_flight = 1).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    let holding = tokio::spawn({
        let channel = world.gateway.channel.clone();
        async move { acknowledge(channel, request("job-1")).await }
    });
    world.wait_for_requests(1).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    for first in (0..CALLS).step_by(100) {
        let batch = first..first + 100;
        raw.send(&batch.clone().flat_map(|n| begin(id(n), ACKNOWLEDGE)).collect::<Vec<_>>()).await;
        raw.until_responses(batch.end as usize).await;
        let messages = batch.flat_map(|n| frame(DATA, END_STREAM, id(n), &message(&[1; 20])));
        raw.send(&messages.collect::<Vec<_>>()).await;
    }
    // The connection still works.
    raw.send(&call(id(CALLS), CHECK)).await;
    raw.until_responses(CALLS as usize + 1).await;
    let seen = raw.until(Duration::ZERO).await;
    assert_eq!(seen.goaway.unwrap_or(0), 0, "{seen:?}");
    holding.abort();
    world.stop().await;
}
