//! What one connection can cost: each bound of `server::http2` and `server::places`, from the caller's side.

use std::time::{Duration, Instant};

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::server::Settings;
use futures_util::future::join_all;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::frames::{
    ACKNOWLEDGE, CALM, CHECK, DATA, END_STREAM, HEADERS, Raw, begin, call, frame, id, message, rst,
    window_update, zero_window,
};
use crate::harness::{Answer, World, fake_keys, request, settings};

async fn world(change: impl FnOnce(&mut Settings)) -> World {
    let mut settings = settings();
    change(&mut settings);
    World::with(settings, Some(fake_keys())).await
}

/// Opens and resets until the gateway has had enough.
#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset_ends_the_connection_and_no_other() {
    let world = world(|_| {}).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let flood = (0..1000).flat_map(|n| [call(id(n), CHECK), rst(id(n))].concat()).collect::<Vec<_>>();
    raw.send(&flood).await;
    assert_eq!(raw.until_closed().await.goaway, Some(CALM));
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    world.stop().await;
}

/// The caller breaks the protocol so that the gateway resets the streams.
#[tokio::test(flavor = "multi_thread")]
async fn made_you_reset_ends_the_connection() {
    let world = world(|_| {}).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    for n in 0..2000 {
        raw.send(&[begin(id(n), ACKNOWLEDGE), window_update(id(n), 0x7fff_ffff)].concat()).await;
    }
    let seen = raw.until_closed().await;
    assert_eq!(seen.goaway, Some(CALM), "{seen:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_have_places_of_their_own_and_only_so_many() {
    let world = world(|_| {}).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", world.gateway.address));
    let channel = channel.unwrap().connect().await.unwrap();
    let watch = || async {
        let request = HealthCheckRequest { service: String::new() };
        HealthClient::new(channel.clone()).watch(request).await
    };
    let mut open: Vec<_> = join_all((0..16).map(|_| watch())).await.into_iter().map(Result::unwrap).collect();
    let refused = Answer {
        metadata: tonic::metadata::MetadataMap::new(),
        result: Err(Box::new(watch().await.unwrap_err())),
    };
    assert_eq!((refused.code(), refused.reason().as_str()), (Code::ResourceExhausted, "GATEWAY_OVERLOADED"));
    // Neither a call nor a check on the same connection suffers.
    world.add("job-1");
    let asked = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel.clone()).check(asked).await.expect("a check is never refused");
    let mut client = ThirdPartyJobServiceClient::new(channel.clone());
    client.acknowledge_third_party_job(request("job-1")).await.unwrap();
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    // With one gone there is room for another.
    open.pop();
    let again = async { while watch().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("a place");
    drop((client, open, channel));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_places_for_watches_taken_anybody_may_still_check() {
    // Places of all together: three, and the 16 that a connection has.
    let world = world(|settings| settings.max_connections = 3).await;
    let connect = || async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", world.gateway.address));
        HealthClient::new(endpoint.unwrap().connect().await.unwrap())
    };
    let asked = || HealthCheckRequest { service: String::new() };
    let (greedy, mut other) = (connect().await, connect().await);
    let watch = |mut client: HealthClient<_>| async move { client.watch(asked()).await };
    let mut open = join_all((0..16).map(|_| watch(greedy.clone()))).await;
    open.extend(join_all((0..3).map(|_| watch(other.clone()))).await);
    assert!(open.iter().all(Result::is_ok));
    assert_eq!(watch(other.clone()).await.unwrap_err().code(), Code::ResourceExhausted);
    other.check(asked()).await.expect("a check");
    drop((open, greedy, other));
    world.stop().await;
}

/// Anybody may ask for health: what stops in the middle isn't given a call's time, nor a call's size.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_stops_in_the_middle_holds_little_and_not_for_long() {
    let world = world(|settings| settings.deadlines.default = settings.deadlines.max).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let begun = Instant::now();
    raw.send(&[begin(id(0), CHECK), frame(DATA, 0, id(0), &message(&[0; 4000])[..3000])].concat()).await;
    raw.until_answers(1).await;
    let took = begun.elapsed().as_secs();
    assert!((4..20).contains(&took), "after 5 s, and not after the longest deadline, 30 s: {took}");
    let begun = Instant::now();
    let too_large = &message(&[0; 5000])[..100];
    raw.send(&[begin(id(1), CHECK), frame(DATA, 0, id(1), too_large)].concat()).await;
    raw.until_answers(2).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "refused by its prefix: {:?}", begun.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_has_few_places_and_takes_none_of_the_watches() {
    let world = world(|_| {}).await;
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..5 {
        let client = ServerReflectionClient::new(world.gateway.new_channel());
        for _ in 0..16 {
            match client.clone().server_reflection_info(futures_util::stream::pending()).await {
                Ok(stream) => open.push((stream, client.clone())),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted);
                    assert!(status.message().contains("reflection streams are open"), "{status:?}");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!((open.len(), refused), (64, 16));
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(world.gateway.new_channel());
    watch.watch(request).await.expect("a place for a watch");
    drop(open);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_takes_no_answer_holds_no_connection_beyond_its_age() {
    let world = world(|settings| {
        settings.max_connection_age = Duration::from_millis(200);
        settings.deadlines.default = Duration::from_secs(1);
        settings.deadlines.max = Duration::from_secs(1);
    })
    .await;
    let mut raw = Raw::greet(world.gateway.address, &zero_window()).await;
    raw.send(&call(1, CHECK)).await;
    // The keepalive would end it too, later, if this didn't.
    raw.answer_pings();
    let seen = raw.until_closed().await;
    assert!(seen.count(HEADERS) >= 1 && seen.count(DATA) == 0, "an answer that waits to be taken: {seen:?}");
    assert_eq!(seen.goaway, Some(0), "{seen:?}");
    world.stop().await;
}

/// All HEADERS first, then all messages, as HTTP/2 libraries send what is begun at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_sound_burst_on_one_connection_is_no_flood() {
    const CALLS: u32 = 4000;
    let world = world(|settings| settings.max_in_flight = CALLS as usize).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    let heads = (0..CALLS).flat_map(|n| begin(id(n), ACKNOWLEDGE));
    // The message and the end come apart, as tonic sends them; an empty message is invalid, and answered so.
    let messages = (0..CALLS).flat_map(|n| frame(DATA, 0, id(n), &message(&[])));
    let ends = (0..CALLS).flat_map(|n| frame(DATA, END_STREAM, id(n), &[]));
    raw.send(&heads.chain(messages).chain(ends).collect::<Vec<_>>()).await;
    raw.until_answers(CALLS as usize).await;
    let seen = raw.until(Duration::ZERO).await;
    assert_eq!((seen.goaway.unwrap_or(0), seen.resets.len()), (0, 0), "{seen:?}");
    world.stop().await;
}

/// Refused while their messages are still coming, and as many as callers may send: that breaks no rule of HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_do_not_cost_their_caller_the_connection() {
    const CALLS: u32 = 1500;
    let world = world(|settings| settings.max_in_flight = 1).await;
    world.simulator.fault_next(1, codepipeline_simulator::Fault::Hang { process: false });
    let holding = tokio::spawn({
        let channel = world.gateway.channel.clone();
        async move { ThirdPartyJobServiceClient::new(channel).acknowledge_third_party_job(request("job-1")).await }
    });
    world.simulator.wait_for_requests(1).await;
    let mut raw = Raw::plain(world.gateway.address).await;
    for first in (0..CALLS).step_by(100) {
        let batch = first..first + 100;
        raw.send(&batch.clone().flat_map(|n| begin(id(n), ACKNOWLEDGE)).collect::<Vec<_>>()).await;
        raw.until_answers(batch.end as usize).await;
        let messages = batch.flat_map(|n| frame(DATA, END_STREAM, id(n), &message(&[1; 20])));
        raw.send(&messages.collect::<Vec<_>>()).await;
    }
    // It still answers.
    raw.send(&call(id(CALLS), CHECK)).await;
    raw.until_answers(CALLS as usize + 1).await;
    let seen = raw.until(Duration::ZERO).await;
    assert_eq!(seen.goaway.unwrap_or(0), 0, "{seen:?}");
    holding.abort();
    world.stop().await;
}
