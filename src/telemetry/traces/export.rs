//! What becomes of finished spans: they wait in a queue of a fixed size and are sent in batches, by a thread of the SDK's;
//! each is counted as sent, failed or dropped. Calls never wait for any of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter as _, SpanProcessor};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::Metrics;

/// What became of a finished span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportResult {
    /// The collector took it.
    Exported,
    /// It was sent, or about to be, and the collector didn't take it in time.
    Failed,
    /// Too many were waiting.
    Dropped,
}

impl ExportResult {
    pub(crate) const ALL: [Self; 3] = [Self::Exported, Self::Failed, Self::Dropped];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "ok",
            Self::Failed => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// What the queue's two ends and the gateway know together.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// Spans that were taken into the queue and not sent yet.
    waiting: AtomicUsize,
    /// Whether the last export failed.
    failing: AtomicBool,
    /// Cancelled when no export may take any longer.
    pub(super) over: CancellationToken,
    /// Where spans are counted, from the moment that the gateway runs.
    pub(super) metrics: OnceLock<Arc<Metrics>>,
}

impl Exports {
    fn count(&self, result: ExportResult, spans: usize) {
        if let Some(metrics) = self.metrics.get() {
            metrics.spans_ended(result, spans as u64);
        }
    }

    /// An export has ended. The log is told when exports begin to fail and when they work again, not of each.
    fn ended(&self, spans: usize, exported: &OTelSdkResult) {
        let result = if exported.is_ok() { ExportResult::Exported } else { ExportResult::Failed };
        self.count(result, spans);
        let was_failing = self.failing.swap(exported.is_err(), Ordering::Relaxed);
        match exported {
            Ok(()) if was_failing => tracing::info!("traces can be exported again"),
            // The exporter leaves out what the collector says in words: it may repeat the key that it was sent.
            Err(error) if !was_failing && !self.over.is_cancelled() => {
                tracing::warn!(%error, "can't export traces; calls go on, and their spans are lost");
            }
            _ => {}
        }
    }
}

/// The queue. The SDK's own tells nobody how many spans it drops while it runs, so this one never lets it come to that.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) batches: BatchSpanProcessor,
    pub(super) max_waiting: usize,
    pub(super) exports: Arc<Exports>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let place = |waiting: usize| (waiting < self.max_waiting).then_some(waiting + 1);
        match self.exports.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, place) {
            Ok(_) => self.batches.on_end(span),
            Err(_full) => self.exports.count(ExportResult::Dropped, 1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }
}

/// Sends batches, each within its time.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) exporter: Arc<SpanExporter>,
    pub(super) time: Duration,
    pub(super) runtime: Handle,
    pub(super) exports: Arc<Exports>,
}

impl opentelemetry_sdk::trace::SpanExporter for Sender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.exports.waiting.fetch_sub(spans, Ordering::AcqRel);
        // A task begins to run with its spawn: once the time is over there must be none.
        let sent = if self.exports.over.is_cancelled() {
            Err(OTelSdkError::AlreadyShutdown)
        } else {
            self.send(batch).await
        };
        self.exports.ended(spans, &sent);
        sent
    }
}

impl Sender {
    async fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (collector, time) = (self.exporter.clone(), self.time);
        // On the runtime: on this thread the exporter's pauses between its tries would be sleeps that nothing can end.
        let export = self.runtime.spawn(async move { timeout(time, collector.export(batch)).await });
        tokio::select! {
            biased;
            ended = AbortOnDropHandle::new(export) => match ended {
                Ok(Ok(exported)) => exported,
                Ok(Err(_elapsed)) => Err(OTelSdkError::Timeout(time)),
                // A panic's text may hold anything.
                Err(_panicked) => Err(OTelSdkError::InternalFailure("the exporter panicked".into())),
            },
            () = self.exports.over.cancelled() => Err(OTelSdkError::AlreadyShutdown),
        }
    }
}
