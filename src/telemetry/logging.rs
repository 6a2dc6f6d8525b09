//! Where log lines go, how they look, and which are let through.

use std::io::{self, BufWriter, Write};
use std::panic;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt, FilterFn, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use super::json::Json;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// Lines that wait at most for a reader that has stalled; a line of a call is about 600 bytes.
const MAX_WAITING: usize = 10_000;

/// The process has one log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Begins to log to `writer`, for the whole process, panics included. A thread of its own writes: whoever reads the log and
/// stalls must not stall calls. Lines that find `MAX_WAITING` others waiting are dropped and counted.
///
/// What waits is written when the guard is dropped, or left out if that takes longer than a second.
///
/// # Errors
/// Something logs already.
pub fn init<W>(format: LogFormat, filter: Targets, writer: W) -> Result<WorkerGuard, TryInitError>
where
    W: Write + Send + 'static,
{
    let builder = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING).thread_name("log");
    let (writer, guard) = builder.finish(BatchingWriter(BufWriter::new(writer)));
    let dropped = writer.error_counter();
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json => layer.event_format(Json).boxed(),
    };
    // Without a hint of its own the second filter would take the first one's away, and every TRACE line of every crate would
    // be looked at before it is left out.
    let safe = FilterFn::new(is_safe).with_max_level_hint(LevelFilter::TRACE);
    tracing_subscriber::registry().with(layer.with_filter(filter.and(safe))).try_init()?;
    let _ = DROPPED.set(dropped);
    panic::set_hook(Box::new(|panic| {
        // Not its text: that may hold whatever the code was handling.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: this is a bug; please report it");
    }));
    Ok(guard)
}

/// How long the writing thread rests after it has written.
const PAUSE_AFTER_WRITE: Duration = Duration::from_millis(5);

/// Writes what waits, and lets more gather before it looks again: to wake the thread for each line costs a busy gateway more
/// than to put the line together. A line that finds it waiting is written at once.
struct BatchingWriter<W: Write>(BufWriter<W>);

impl<W: Write> Write for BatchingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Called whenever nothing more waits.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(PAUSE_AFTER_WRITE);
        Ok(())
    }
}

/// How many lines were dropped, as a metric.
#[derive(Debug)]
pub(super) struct LinesDropped;

impl Collector for LinesDropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let dropped = ConstCounter::new(DROPPED.get().map_or(0, ErrorCounter::dropped_lines) as u64);
        let help = "Log lines dropped because whoever reads the log had stalled";
        dropped.encode(encoder.encode_descriptor("log_lines_dropped", help, None, dropped.metric_type())?)
    }
}

/// Other crates' TRACE lines hold whole requests, and the SDK's lines credentials at any level: key ids at INFO (its
/// profile provider), a credential process's standard error and whole answers of STS at WARN. No filter of the operator's
/// lets them through; the secrets test tries. What matters of them is in our own lines.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    match metadata.target() {
        target if target.starts_with("codepipeline_") => true,
        target if target.starts_with("aws_") => false,
        // The trace exporter's would show a collector's answer, which may repeat the key that it was sent.
        target if target.starts_with("opentelemetry") => false,
        _ => *metadata.level() <= Level::DEBUG,
    }
}
