//! A gRPC gateway to AWS CodePipeline's third-party job API.
//!
//! `gateway` puts it together. A call's way in: `server` accepts its connection and takes it through the layers (request id,
//! log line, panics, deadline, `auth`, in-flight limit) to `service`, which parses it into a `job` and hands it to
//! `codepipeline`; that makes attempts at AWS through the SDK until one counts. Its way out: an `Acknowledgement`, or a
//! `Failure` that `error` turns into the one gRPC status that says what happened. `call` keeps, all the way, what is known
//! of it.
//!
//! The library binds no port, reads no environment (the AWS SDK and the trace exporter read their own), installs no signal handler, prints
//! nothing and never exits: `main.rs` and `cli` do.

pub mod gateway;

pub mod server;

pub mod call;

pub mod auth;

mod methods;

pub mod service;

pub mod job;

pub mod codepipeline;

pub mod error;

mod readiness;

mod admin;

pub mod telemetry;

pub mod proto;

pub mod util;
