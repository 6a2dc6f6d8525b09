//! The command `codepipeline-gateway`.
//!
//! Exit codes: 0 for success, 1 for a failed start or a lost listener, 64 for bad usage or
//! configuration.

mod cli;
mod config;

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
