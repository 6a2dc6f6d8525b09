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

/// Other crates' TRACE lines hold whole requests, secrets included (the SDK's orchestrator prints bodies, its signer the
/// session token). No filter of the operator's lets them through; the secrets test tries.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("codepipeline_") || *metadata.level() <= Level::DEBUG
}
