//! Tests of the gateway from outside: real gRPC clients, real sockets, the real SDK, and a
//! simulator for AWS.
//!
//! | Topic | Files |
//! |---|---|
//! | Shared parts | [`harness`]: gateways, stand-in servers, calls, and waits that end |
//! | Operations | [`operations`]: one file per operation; [`lifecycle`]: whole jobs under faults |
//! | Errors | [`errors`] (the table, row by row), [`outcomes`], [`credentials`], [`limits`] |
//! | Requests | [`requests`]: bad messages, metadata, and protocols; reflection |
//! | Callers | [`auth`]: client certificates, bearer tokens, and their keys |
//! | Connections | [`connections`], [`tls`], [`floods`] (limits of one connection), [`shutdown`] |
//! | AWS | [`sdk_request`] (the request), [`idle_connections`], [`poisoned_connections`], [`providers`]: STS and EKS Pod Identity |
//! | Operators | [`command`] (the binary), [`admin`] (probes and metrics), [`telemetry`], [`traces`] |
//! | Secrets | [`secrets`]: no output contains one |
//! | Documentation | [`docs`]: its tables match the program |
//! | Stress tests | `stress`: ignored by default; `just chaos`, `just hostile`, `just overload` |

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
mod command;
mod connections;
mod credentials;
mod docs;
mod errors;
mod floods;
mod harness;
mod idle_connections;
mod lifecycle;
mod lifecycle_worker;
mod limits;
mod long_poll;
mod operations;
mod outcomes;
mod poisoned_connections;
mod providers;
mod proxies;
mod requests;
mod sdk_request;
mod secrets;
mod shutdown;
#[cfg(target_os = "linux")]
mod stress;
mod telemetry;
mod tls;
mod traces;
