//! A gRPC gateway to AWS CodePipeline's third-party job API.
//!
//! `gateway` wires the parts. A call's way in: `server` accepts its connection and takes the call
//! through the layers (request id, log line, panics, deadline, `auth`, in-flight limit) to
//! `service`. `operations` parses the request, and `codepipeline` makes attempts at AWS through the
//! SDK. Calls that wait for jobs share the attempts of `poller`, and `artifacts` presigns the
//! requests for a job's artifacts. A call's way out: the operation's response, or a `Failure` that
//! `error` converts into the one gRPC status that says what happened. `call` keeps what is known
//! about the call on the whole way.
//!
//! The library binds no port, reads no environment, installs no signal handler, prints nothing, and
//! never exits. `main.rs` and `cli` do. (The AWS SDK, the HTTP client, and the trace
//! exporter read their own variables.)

pub mod gateway;

pub mod server;

pub mod call;

pub mod auth;

pub mod methods;

pub mod service;

pub mod operations;

pub mod poller;

pub mod codepipeline;

pub mod artifacts;

pub mod error;

mod readiness;

mod admin;

pub mod telemetry;

pub mod proto;

pub mod util;
