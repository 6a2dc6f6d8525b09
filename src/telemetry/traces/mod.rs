//! Exports traces over OTLP: a server span for each call, with a client span for each attempt at
//! AWS.
//!
//! The gateway uses OpenTelemetry's API directly and not through `tracing`, so that no log line and
//! no span of another crate can become part of a trace. The parent of a span is always passed as a
//! value, never through the thread's current context. Without a collector, a call creates no span.

mod export;
mod export_result;
mod spans;
mod traceparent;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

pub(crate) use export_result::ExportResult;
pub(crate) use spans::{AttemptSpan, AwsEndpoint, ServerSpan};
pub(crate) use traceparent::remote_parent;

use crate::call::Call;
use crate::methods::Method;
use crate::telemetry::Metrics;
use export::{Exports, Queue, Sender};

/// The version of the semantic conventions in `spans`.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.45.0";

/// Which spans are recorded, and where they are sent.
///
/// The exporter itself reads `OTEL_EXPORTER_OTLP_HEADERS`, so that the gateway never holds the API
/// keys in it. It also reads `OTEL_EXPORTER_OTLP_COMPRESSION`.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector, with TLS settings. The timeouts below are added.
    pub collector: Endpoint,
    /// The timeout of one batch, retries included.
    pub export_time: Duration,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// The attributes of the resource, such as `service.name`.
    pub resource: Vec<KeyValue>,
    /// The maximum number of finished spans in the queue, at least 1. Further spans are dropped.
    pub max_waiting: usize,
    /// The maximum number of spans in a batch, at least 1.
    pub max_batch: usize,
    /// How long a span waits for a batch to fill.
    pub batch_delay: Duration,
    /// The timeout for the last spans, after the calls are drained.
    pub last_time: Duration,
}

/// Creates and exports spans. The default creates none.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Running>>);

struct Running {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    exports: Arc<Exports>,
    last_time: Duration,
}

impl Traces {
    /// Starts the exporter, which connects with its first batch. Must be called on a runtime.
    ///
    /// # Errors
    /// The exporter rejects the settings.
    pub fn start(settings: &TraceSettings) -> Result<Self, ExporterBuildError> {
        let time = settings.export_time;
        let collector = settings.collector.clone().timeout(time).connect_timeout(time);
        // Without keepalive, a collector that disappeared would block exports until TCP gives up.
        let collector = collector.http2_keep_alive_interval(time / 2).keep_alive_timeout(time / 2);
        let exporter =
            SpanExporter::builder().with_tonic().with_channel(collector.connect_lazy()).with_timeout(time);
        let mut exporter = exporter.build()?;
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(settings.resource.clone())
            .build();
        exporter.set_resource(&resource);

        let exports = Arc::new(Exports::default());
        let sender = Sender {
            exporter: exporter.into(),
            timeout: time,
            runtime: Handle::current(),
            exports: exports.clone(),
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(settings.max_waiting)
            .with_max_export_batch_size(settings.max_batch)
            .with_scheduled_delay(settings.batch_delay);
        let batches = BatchSpanProcessor::builder(sender).with_batch_config(batches.build()).build();
        let queue = Queue { batches, max_waiting: settings.max_waiting, exports: exports.clone() };
        let provider = SdkTracerProvider::builder()
            .with_sampler(settings.sampler.clone())
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        let scope = InstrumentationScope::builder("codepipeline-gateway")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA);
        let tracer = provider.tracer_with_scope(scope.build());
        Ok(Self(Some(Arc::new(Running { tracer, provider, exports, last_time: settings.last_time }))))
    }

    /// Counts exported and dropped spans in these metrics from now on.
    pub(crate) fn counted_in(&self, metrics: Arc<Metrics>) {
        if let Some(running) = &self.0 {
            // Only one gateway uses this value, so the metrics are set once.
            let _ = running.exports.metrics.set(metrics);
        }
    }

    /// Starts the span of a call.
    pub(crate) fn call(
        &self,
        method: &Method,
        path: &str,
        peer: SocketAddr,
        caller: Option<&SpanContext>,
    ) -> Option<ServerSpan> {
        self.0.as_ref().map(|running| ServerSpan::begin(&running.tracer, method, path, peer, caller))
    }

    /// Starts the span of the attempt that has just started, if its call has one.
    pub(crate) fn attempt(&self, call: &Call, endpoint: &AwsEndpoint) -> Option<AttemptSpan> {
        let running = self.0.as_ref()?;
        AttemptSpan::begin(&running.tracer, call, endpoint)
    }

    /// Exports the waiting spans within the timeout, and creates no more. `immediate` ends the
    /// wait.
    pub(crate) async fn end(&self, immediate: CancellationToken) {
        let Some(running) = &self.0 else { return };
        let (provider, time) = (running.provider.clone(), running.last_time);
        // The SDK blocks until its thread ended. The thread ends soon after exports are stopped.
        let mut ended = spawn_blocking(move || provider.shutdown_with_timeout(2 * time));
        tokio::select! {
            _ = &mut ended => return,
            () = sleep(time) => tracing::warn!("the last traces were not exported in time; they are lost"),
            () = immediate.cancelled() => {}
        }
        running.exports.stopped.cancel();
        let _ = ended.await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Traces(on)" } else { "Traces(off)" })
    }
}
