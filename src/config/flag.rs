//! Names a flag together with its environment variable, as messages do.

use clap::{Arg, Args, Command};

/// The flag of `A` with its variable, such as `--grpc-addr (GATEWAY_GRPC_ADDR)`.
pub(crate) fn flag<A: Args>(name: &str) -> String {
    with_variable(name, &A::augment_args(Command::new("flags")))
}

/// `--grpc-addr <ADDR>` → `--grpc-addr (GATEWAY_GRPC_ADDR)`.
pub(crate) fn with_variable(arg: &str, command: &Command) -> String {
    let flag = arg.split_whitespace().next().unwrap_or(arg);
    let is_named = |arg: &&Arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
    match command.get_arguments().find(is_named).and_then(Arg::get_env) {
        Some(variable) => format!("{flag} ({})", variable.to_string_lossy()),
        None => flag.to_owned(),
    }
}
