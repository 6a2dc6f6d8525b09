//! The gateway as its callers meet it: a real gRPC client, real sockets, the real SDK, and the simulator for AWS.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "tests"
)]

mod admin;
mod auth;
mod certificates;
mod command;
mod connections;
mod credentials;
mod docs;
mod errors;
mod floods;
mod frames;
mod harness;
mod limits;
mod outcomes;
mod process;
mod requests;
#[cfg(target_os = "linux")]
mod runs;
mod secrets;
mod shutdown;
mod tls;
