//! The last spans, and the time limit for their export.

use std::time::{Duration, Instant};

use codepipeline_gateway::telemetry::Traces;
use codepipeline_simulator::Fault;

use super::{LONG, attempts, calls, traced, world};
use crate::harness::World;
use crate::harness::collector::{Collector, Mode, attribute, trace_settings};

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_the_last_call_are_exported_before_the_end() {
    let collector = Collector::start().await;
    let mut late = trace_settings(&collector.url());
    late.batch_delay = LONG;
    // The test keeps the value, because a drop would export the spans.
    let traces = Traces::start(&late).unwrap();
    let mut settings = traced(traces.clone());
    settings.drain_timeout = Duration::from_millis(200);
    let world = World::on(settings).await;
    world.simulator.fault_next(1, Fault::Hang { process: false });
    let (_, ()) = tokio::join!(world.acknowledge("job-1"), async {
        world.wait_for_requests(1).await;
        world.gateway.shutdown.stop();
    });
    world.gateway.ended().await.unwrap();
    let spans = collector.spans();
    let call = calls(&spans)[0];
    assert_eq!(attribute(call, "codepipeline_gateway.reason").as_deref(), Some("GATEWAY_SHUTTING_DOWN"));
    assert_eq!(attempts(&spans, call).len(), 1);
    drop(traces);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_collector_delays_no_call_and_the_end_by_its_limit() {
    let collector = Collector::start().await;
    collector.set_mode(Mode::Hang);
    let mut patient = trace_settings(&collector.url());
    (patient.export_time, patient.last_time) = (LONG, Duration::from_millis(300));
    let traces = Traces::start(&patient).unwrap();
    let world = world(traces.clone()).await;
    world.add("job-1");
    world.acknowledge("job-1").await.ok();
    collector.wait_for_exports(1).await;
    world.acknowledge("job-1").await;
    let start = Instant::now();
    world.gateway.stop().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "the last export has its time");
    assert_eq!(collector.exports().len(), 1, "the queued spans are dropped");
    collector.wait_for_abandoned(1).await;
    drop(traces);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_the_collector() {
    let collector = Collector::start().await;
    collector.set_mode(Mode::Hang);
    let mut patient = trace_settings(&collector.url());
    (patient.export_time, patient.last_time) = (LONG, LONG);
    let world = world(Traces::start(&patient).unwrap()).await;
    world.acknowledge("job-1").await;
    collector.wait_for_exports(1).await;
    world.gateway.shutdown.stop();
    world.gateway.shutdown.stop();
    world.gateway.ended().await.unwrap();
}
