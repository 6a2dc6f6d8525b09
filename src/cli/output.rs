//! The output of the subcommands: lines on standard output, and an error on standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Bad usage or configuration: exit code 64 (`EX_USAGE` of sysexits.h).
    Usage(String),
    /// The gateway could not start, or lost its listener: exit code 1.
    Failed(String),
}

impl CliError {
    /// The failure that this error is.
    pub(crate) fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Writes one line to standard error.
    pub(crate) fn report(self) -> ExitCode {
        let (line, code) = match self {
            Self::Usage(line) => (line, 64),
            Self::Failed(line) => (line, 1),
        };
        // Without standard error, the exit code is the only report.
        let _ = writeln!(io::stderr(), "codepipeline-gateway: {line}");
        ExitCode::from(code)
    }
}

/// Prints a line to standard output.
pub(super) fn print_line(line: impl AsRef<str>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let result = writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush());
    result.map_err(|error| CliError::Failed(format!("can't write to standard output: {error}")))
}
