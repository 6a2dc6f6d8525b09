//! One clear line for bad usage: which flag, which variable, what is wrong.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// clap's error in one line. clap's own text names the flag only, even where the value came from the variable; the same
/// flag of another subcommand may have no variable, so `command` is the subcommand that was given, or all there is.
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
            format!("{}: {value:?} is not valid: {why}", with_variable(arg, command))
        }
        (ErrorKind::InvalidValue, Some(arg)) if value.is_empty() => {
            format!("{}: needs a value", with_variable(arg, command))
        }
        (ErrorKind::InvalidValue, Some(arg)) => {
            let valid = list(ContextKind::ValidValue);
            format!("{}: {value:?} is not one of {valid}", with_variable(arg, command))
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            format!("{} is missing; see --help", list(ContextKind::InvalidArg))
        }
        (ErrorKind::UnknownArgument, Some(arg)) => format!("there is no {arg}; see --help"),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, _) => {
            format!("say what to do: {}; see --help", names(command).join(", "))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            format!("{first}; see --help")
        }
    }
}

/// `--grpc-addr <ADDR>` → `--grpc-addr (GATEWAY_GRPC_ADDR)`.
fn with_variable(arg: &str, command: &Command) -> String {
    let flag = arg.split_whitespace().next().unwrap_or(arg);
    let named =
        |candidate: &&Arg| candidate.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
    match command.get_arguments().find(named).and_then(Arg::get_env) {
        Some(variable) => format!("{flag} ({})", variable.to_string_lossy()),
        None => flag.to_owned(),
    }
}

fn names(command: &Command) -> Vec<&str> {
    command.get_subcommands().map(Command::get_name).collect()
}
