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
mod collector;
mod command;
mod connections;
mod credentials;
mod docs;
mod errors;
mod floods;
mod frames;
mod harness;
mod idle_connections;
mod jwt;
mod jwt_keys;
mod jwt_secrets;
mod key_server;
mod limits;
mod outcomes;
mod port;
mod process;
mod providers;
mod requests;
#[cfg(target_os = "linux")]
mod runs;
mod sdk_request;
mod secrets;
mod shutdown;
mod tls;
mod tokens;
mod traces;
