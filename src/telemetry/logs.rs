//! Where log lines go, how they look, and which are let through.

use std::panic;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// Reads a filter such as `info` or `info,codepipeline_gateway=debug`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(filter)
}

/// Begins to log to `writer`, for the whole process, panics included.
///
/// # Errors
/// Something logs already.
pub fn init<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Result<(), TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    tracing_subscriber::registry().with(layer.with_filter(filter.and(filter_fn(is_safe)))).try_init()?;
    panic::set_hook(Box::new(|panic| {
        // Not its text: that may hold whatever the code was handling.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: this is a bug; please report it");
    }));
    Ok(())
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
