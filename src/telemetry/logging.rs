//! Sets up the log: its writer, its format, and its filter.

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

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object per line, for a collector.
    Json,
}

/// The maximum number of lines that wait for a slow reader. A call's line has about 600 bytes.
const MAX_WAITING: usize = 10_000;

/// The count of dropped lines. It is static because the process has one log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts the log of the whole process, panics included.
///
/// A separate thread writes, so that a slow reader of the log can't block calls. A line is dropped
/// and counted if `MAX_WAITING` others wait. The guard writes the waiting lines when it is dropped,
/// within a second.
///
/// # Errors
/// The process already has a log.
pub fn init<W>(format: LogFormat, filter: Targets, writer: W) -> Result<WorkerGuard, TryInitError>
where
    W: Write + Send + 'static,
{
    let builder = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING).thread_name("log");
    let (writer, guard) = builder.finish(BatchingWriter(BufWriter::with_capacity(BUFFER, writer)));
    let dropped = writer.error_counter();
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json => layer.event_format(Json).boxed(),
    };
    // Without this hint, the combined filter would have none, and every TRACE event of every crate
    // would reach the filter.
    let safe = FilterFn::new(is_safe).with_max_level_hint(LevelFilter::TRACE);
    tracing_subscriber::registry().with(layer.with_filter(filter.and(safe))).try_init()?;
    let _ = DROPPED.set(dropped);
    panic::set_hook(Box::new(|panic| {
        // The panic's message could contain a secret, so it is left out.
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panic; report this bug");
    }));
    Ok(guard)
}

/// The size of the writing thread's buffer: the lines of a few milliseconds of a busy gateway.
const BUFFER: usize = 64 * 1024;
/// How long the writing thread waits after it has written.
const PAUSE_AFTER_WRITE: Duration = Duration::from_millis(5);

/// Writes the waiting lines, and pauses so that the next lines become one batch.
///
/// Waking the thread for each line costs a busy gateway more than formatting the line. A line that
/// arrives after the pause is written immediately.
struct BatchingWriter<W: Write>(BufWriter<W>);

impl<W: Write> Write for BatchingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Called when no more lines wait.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(PAUSE_AFTER_WRITE);
        Ok(())
    }
}

/// The metric of dropped lines.
#[derive(Debug)]
pub(super) struct LinesDropped;

impl Collector for LinesDropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let dropped = ConstCounter::new(DROPPED.get().map_or(0, ErrorCounter::dropped_lines) as u64);
        let help = "Log lines dropped because the reader of standard error was blocked";
        dropped.encode(encoder.encode_descriptor("log_lines_dropped", help, None, dropped.metric_type())?)
    }
}

/// Whether an event can't contain a secret. The operator's filter can't override this.
///
/// Other crates' TRACE events contain whole requests. The SDK's events contain credentials at any
/// level: key ids at INFO (the profile provider), a credential process's standard error and whole
/// STS responses at WARN. The gateway logs the important part of these events itself.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    match metadata.target() {
        target if target.starts_with("codepipeline_") => true,
        target if target.starts_with("aws_") => false,
        // The exporter's events contain the collector's response, which might repeat the API key.
        target if target.starts_with("opentelemetry") => false,
        _ => *metadata.level() <= Level::DEBUG,
    }
}
