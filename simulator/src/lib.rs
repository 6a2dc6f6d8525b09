//! A stand-in for AWS CodePipeline's third-party job API, for tests.
//!
//! It speaks the real wire protocol (awsJson1.1 over HTTP/1.1, SigV4 verified by an implementation of its
//! own), so any AWS SDK can be pointed at it. It holds jobs, answers `AcknowledgeThirdPartyJob` as
//! CodePipeline is known to, and misbehaves on request. It is for loopback only: it has no TLS, and its
//! control API asks for no credential.
//!
//! A call's way through it, module by module: `server` accepts, `connection` carries
//! one connection and its faults, `call` takes one request to its answer: `wire` reads it, `signature` checks
//! who sent it, `codepipeline` decides, `answer` writes the bytes. `faults` say what goes wrong instead,
//! `records` remember what came, `control` offers the same from outside the process. `simulator` is the
//! handle that a test holds.

mod answer;
mod call;
mod clock;
mod codepipeline;
mod config;
mod connection;
mod control;
mod faults;
pub mod jobs;
mod plan;
mod records;
mod server;
mod signature;
mod simulator;
mod state;
mod wire;

pub use config::{AccessKey, Config, SecondAcknowledge};
pub use faults::{
    AnswerFault, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, MessageKey, Shape, Then,
};
pub use jobs::{AnswerStatus, Job, JobFile, JobFileError, PlannedFault};
pub use records::{Processed, RequestOutcome, RequestRecord};
pub use signature::SignatureVerdict;
pub use simulator::Simulator;
