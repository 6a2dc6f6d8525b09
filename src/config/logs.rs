//! The flags for the log.

use clap::Args;
use codepipeline_gateway::telemetry::LogFormat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The format and the filter of the log.
#[derive(Args, Clone, Debug)]
pub(crate) struct Logs {
    /// Format of the log lines [default: text on a terminal, else json]
    #[arg(long, env = "GATEWAY_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Least severe level to log: error, warn, info, debug, trace, or a filter such as
    /// info,codepipeline_gateway=debug
    #[arg(long, env = "GATEWAY_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    #[arg(value_parser = filter)]
    pub(crate) log_level: Targets,
}

fn filter(text: &str) -> Result<Targets, String> {
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    // `Targets` reads a word alone as a target, so that a misspelled level would silence the log.
    for word in parts.iter().filter(|part| !part.contains('=')) {
        if word.is_empty() || word.parse::<LevelFilter>().is_err() {
            let which = if parts.len() > 1 { format!("{word:?} isn't a log level; ") } else { String::new() };
            return Err(format!("{which}use off, error, warn, info, debug or trace"));
        }
    }
    parts.join(",").parse::<Targets>().map_err(|error| error.to_string())
}
