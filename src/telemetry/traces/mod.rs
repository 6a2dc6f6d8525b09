//! Traces over OTLP: a server span for each call, and under it a client span for each attempt at AWS.
//!
//! OpenTelemetry's API is used directly and not through `tracing`, so that no log line and no span of another crate can end
//! in a trace. What belongs under what is handed on as a value, never taken from the thread. Without a collector none of
//! this exists and a call costs nothing for it.

mod export;
mod spans;
mod traceparent;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Compression, ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
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

pub(crate) use export::ExportResult;
pub(crate) use spans::{AttemptSpan, AwsEndpoint, ServerSpan};
pub(crate) use traceparent::remote_parent;

use crate::call::Call;
use crate::methods::Method;
use crate::telemetry::Metrics;
use export::{Exports, Queue, Sender};

/// The conventions that `spans` keeps.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.45.0";

/// Which spans there are and where they go. The exporter itself reads `OTEL_EXPORTER_OTLP_HEADERS`, so that the keys in it
/// are never held here.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector, with its TLS; the times below are added.
    pub collector: Endpoint,
    /// How batches are compressed, if at all.
    pub compression: Option<Compression>,
    /// How long one batch may take, repeats included.
    pub export_time: Duration,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// What is true of every span, `service.name` above all.
    pub resource: Vec<KeyValue>,
    /// Finished spans that may wait; one more is dropped. At least 1.
    pub max_waiting: usize,
    /// Spans that are sent together at most; at least 1.
    pub max_batch: usize,
    /// How long a span waits for others before it is sent.
    pub batch_delay: Duration,
    /// How long the last spans have to arrive once the calls are drained.
    pub last_time: Duration,
}

/// Makes the spans and sends them. The default makes none.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Running>>);

struct Running {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    exports: Arc<Exports>,
    last_time: Duration,
}

impl Traces {
    /// Begins to send to the collector. Connects with the first batch, not before. Has to be called on a runtime.
    ///
    /// # Errors
    /// The exporter can't be built like this.
    pub fn start(settings: &TraceSettings) -> Result<Self, ExporterBuildError> {
        let time = settings.export_time;
        let collector = settings.collector.clone().timeout(time).connect_timeout(time);
        // A collector that vanished without a word would otherwise be waited for until TCP gives up.
        let collector = collector.http2_keep_alive_interval(time / 2).keep_alive_timeout(time / 2);
        let exporter =
            SpanExporter::builder().with_tonic().with_channel(collector.connect_lazy()).with_timeout(time);
        let exporter = match settings.compression {
            Some(compression) => exporter.with_compression(compression),
            None => exporter,
        };
        let mut exporter = exporter.build()?;
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(settings.resource.clone())
            .build();
        exporter.set_resource(&resource);

        let exports = Arc::new(Exports::default());
        let sender =
            Sender { exporter: exporter.into(), time, runtime: Handle::current(), exports: exports.clone() };
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

    /// Counts what becomes of spans there from now on.
    pub(crate) fn counted_in(&self, metrics: Arc<Metrics>) {
        if let Some(running) = &self.0 {
            // A second word would change nothing: one gateway runs with them.
            let _ = running.exports.metrics.set(metrics);
        }
    }

    /// Begins the span of a call.
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

    /// Sends the spans that still wait, as far as their time lasts, and makes no more. Waits for nothing `at_once`.
    pub(crate) async fn end(&self, at_once: CancellationToken) {
        let Some(running) = &self.0 else { return };
        let (provider, time) = (running.provider.clone(), running.last_time);
        // It blocks until the SDK's thread has ended, which ends soon once exports are over.
        let mut ended = spawn_blocking(move || provider.shutdown_with_timeout(2 * time));
        tokio::select! {
            _ = &mut ended => return,
            () = sleep(time) => tracing::warn!("the last traces were not exported in time; they are lost"),
            () = at_once.cancelled() => {}
        }
        running.exports.over.cancel();
        let _ = ended.await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Traces(on)" } else { "Traces(off)" })
    }
}
