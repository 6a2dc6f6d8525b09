//! The counts of exported, failed and dropped spans.

use codepipeline_gateway::telemetry::Traces;

use super::{LONG, export_counts, until_export_counts, world};
use crate::harness::World;
use crate::harness::collector::{Collector, Mode, trace_settings, traces};

#[tokio::test(flavor = "multi_thread")]
async fn each_span_is_counted_by_the_result_of_its_export() {
    let collector = Collector::start().await;
    let world = world(traces(&collector)).await;
    assert_eq!(export_counts(&world).await, [0.0; 3], "the series exist from the start");
    world.acknowledge("job-1").await;
    until_export_counts(&world, |counts| *counts == [2.0, 0.0, 0.0]).await;
    collector.set_mode(Mode::Reject(tonic::Code::PermissionDenied, "no".into()));
    world.acknowledge("job-2").await;
    until_export_counts(&world, |counts| *counts == [2.0, 2.0, 0.0]).await;
    collector.set_mode(Mode::Accept);
    world.acknowledge("job-3").await;
    until_export_counts(&world, |counts| *counts == [4.0, 2.0, 0.0]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_no_span_is_counted() {
    let world = World::start().await;
    world.acknowledge("job-1").await;
    assert_eq!(export_counts(&world).await, [0.0; 3]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_over_the_queue_limit_are_dropped_and_counted() {
    let collector = Collector::start().await;
    collector.set_mode(Mode::Hang);
    let mut small = trace_settings(&collector.url());
    (small.export_time, small.batch_delay, small.max_waiting, small.max_batch) = (LONG, LONG, 4, 2);
    let world = world(Traces::start(&small).unwrap()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    collector.wait_for_exports(1).await;
    for _ in 0..9 {
        world.acknowledge("job-1").await;
    }
    // 2 spans are being exported, 4 are in the queue, and the others were dropped.
    assert_eq!(export_counts(&world).await, [0.0, 0.0, 14.0]);
    world.gateway.shutdown.stop();
    world.stop().await;
}
