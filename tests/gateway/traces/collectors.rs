//! Collectors that are down, come back, hang, or vanish. Calls succeed all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use codepipeline_gateway::telemetry::Traces;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{until_export_counts, world};
use crate::harness::collector::{Collector, trace_settings};
use crate::harness::{PATIENCE, loopback, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_collector_costs_only_spans() {
    // No process listens on this reserved port.
    let world = world(Traces::start(&trace_settings("http://127.0.0.1:1")).unwrap()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    until_export_counts(&world, |counts| *counts == [0.0, 2.0, 0.0]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_comes_back_gets_the_next_spans() {
    let (collector, front) = (Collector::start().await, loopback().await);
    let (world, up) = (
        world(Traces::start(&trace_settings(&format!("http://{}", front.local_addr().unwrap()))).unwrap())
            .await,
        Arc::new(AtomicBool::new(false)),
    );
    let is_up = up.clone();
    let relay = tokio::spawn(async move {
        while let Ok((mut from, _)) = front.accept().await {
            if is_up.load(Ordering::SeqCst) {
                let mut to = TcpStream::connect(collector.address).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        }
    });
    world.acknowledge("job-1").await;
    until_export_counts(&world, |counts| *counts == [0.0, 2.0, 0.0]).await;
    up.store(true, Ordering::SeqCst);
    world.acknowledge("job-1").await;
    until_export_counts(&world, |counts| *counts == [2.0, 2.0, 0.0]).await;
    world.stop().await;
    relay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_reconnects_to_a_collector_that_vanished() {
    // The kernel accepts the connection, and no process reads.
    let gone = loopback().await;
    let mut hasty = trace_settings(&format!("http://{}", gone.local_addr().unwrap()));
    hasty.export_time = Duration::from_millis(400);
    let world = world(Traces::start(&hasty).unwrap()).await;
    world.acknowledge("job-1").await;
    let _first = within("a connection", PATIENCE, gone.accept()).await.unwrap();
    until_export_counts(&world, |[_, error, _]| *error >= 2.0).await;
    let again = async {
        loop {
            world.acknowledge("job-1").await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = again => {}
        second = within("another connection", PATIENCE, gone.accept()) => drop(second.unwrap()),
    }
    world.gateway.shutdown.stop();
    world.stop().await;
}
