//! Exports finished spans in batches and counts the result. Calls never wait for an export.
//!
//! ```text
//! call ── on_end ─▶ Queue ─▶ BatchSpanProcessor ── export ─▶ Sender ─▶ SpanExporter ─▶ collector
//!                   │ full     (the SDK's thread)             │ (a task of the runtime)
//!                   ▼                                         ▼
//!                   dropped                                   ok or error
//! ```
//!
//! `Queue` and `Sender` share `Exports`: the number of waiting spans, the counters, and the end.

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

use super::export_result::ExportResult;
use crate::telemetry::Metrics;

/// The state that `Queue`, `Sender`, and `Traces` share.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// The number of spans in the queue.
    waiting: AtomicUsize,
    /// Whether the last export failed.
    failing: AtomicBool,
    /// Cancelled when every export must end.
    pub(super) stopped: CancellationToken,
    /// The counters, once the gateway runs.
    pub(super) metrics: OnceLock<Arc<Metrics>>,
}

impl Exports {
    fn count(&self, result: ExportResult, spans: usize) {
        if let Some(metrics) = self.metrics.get() {
            metrics.spans_ended(result, spans as u64);
        }
    }

    /// Counts an export that ended. Logs when exports start to fail and when they work again,
    /// because one line per export would flood the log.
    fn record(&self, spans: usize, exported: &OTelSdkResult) {
        let result = if exported.is_ok() { ExportResult::Exported } else { ExportResult::Failed };
        self.count(result, spans);
        let was_failing = self.failing.swap(exported.is_err(), Ordering::Relaxed);
        match exported {
            Ok(()) if was_failing => tracing::info!("traces can be exported again"),
            // The exporter's error doesn't contain the collector's message, which might repeat the
            // API key of the request.
            Err(error) if !was_failing && !self.stopped.is_cancelled() => {
                tracing::warn!(%error, "can't export traces; calls continue, and their spans are lost");
            }
            _ => {}
        }
    }
}

/// A bounded queue in front of the SDK's own. The SDK doesn't report dropped spans while it runs,
/// so `Queue` drops and counts them first.
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
        let one_more = |waiting: usize| (waiting < self.max_waiting).then_some(waiting + 1);
        match self.exports.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
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

/// Sends batches. Each batch has a timeout.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) exporter: Arc<SpanExporter>,
    pub(super) timeout: Duration,
    pub(super) runtime: Handle,
    pub(super) exports: Arc<Exports>,
}

impl opentelemetry_sdk::trace::SpanExporter for Sender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.exports.waiting.fetch_sub(spans, Ordering::AcqRel);
        // A task starts when it is spawned, so none is spawned after the end.
        let sent = if self.exports.stopped.is_cancelled() {
            Err(OTelSdkError::AlreadyShutdown)
        } else {
            self.send(batch).await
        };
        self.exports.record(spans, &sent);
        sent
    }
}

impl Sender {
    async fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (collector, limit) = (self.exporter.clone(), self.timeout);
        // The export runs on the runtime. On the SDK's thread, the exporter would sleep between its
        // retries, and nothing could interrupt that.
        let export = self.runtime.spawn(async move { timeout(limit, collector.export(batch)).await });
        tokio::select! {
            biased;
            ended = AbortOnDropHandle::new(export) => match ended {
                Ok(Ok(exported)) => exported,
                Ok(Err(_elapsed)) => Err(OTelSdkError::Timeout(limit)),
                // The panic's message could contain a secret, so it is left out.
                Err(_panicked) => Err(OTelSdkError::InternalFailure("the exporter panicked".into())),
            },
            () = self.exports.stopped.cancelled() => Err(OTelSdkError::AlreadyShutdown),
        }
    }
}
