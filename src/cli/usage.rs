//! Formats clap's errors as one line that names the flag, its variable, and the problem.

use std::error::Error;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::config::with_variable;

/// The error in one line. clap's own text names only the flag, even if the value came from the
/// variable.
///
/// `command` is the subcommand of the command line, or the whole command without one. The same flag
/// of another subcommand might have no variable.
pub(super) fn line(error: &clap::Error, command: &Command) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let list = |kind| match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let arg = context(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    match (error.kind(), arg) {
        (ErrorKind::ValueValidation, Some(arg)) => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{}: {value:?} isn't valid: {why}", with_variable(arg, command))
        }
        (ErrorKind::InvalidValue, Some(arg)) if value.is_empty() => {
            format!("{}: a value is required", with_variable(arg, command))
        }
        (ErrorKind::InvalidValue, Some(arg)) => {
            let valid = list(ContextKind::ValidValue);
            format!("{}: {value:?} isn't valid; use one of {valid}", with_variable(arg, command))
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            format!("{} is missing; see --help", list(ContextKind::InvalidArg))
        }
        (ErrorKind::UnknownArgument, Some(arg)) => {
            let near = context(ContextKind::SuggestedArg).unwrap_or_default();
            format!("unknown option {arg}; {}", suggestion(near))
        }
        (ErrorKind::InvalidSubcommand, _) => {
            let given = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown command {given}; {}", suggestion(&list(ContextKind::SuggestedSubcommand)))
        }
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, _) => {
            format!("a command is required: {}; see --help", names(command).join(", "))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            format!("{first}; see --help")
        }
    }
}

/// The nearest name, or where all names are.
fn suggestion(near: &str) -> String {
    if near.is_empty() { "see --help".into() } else { format!("did you mean {near}?") }
}

fn names(command: &Command) -> Vec<&str> {
    command.get_subcommands().map(Command::get_name).collect()
}
