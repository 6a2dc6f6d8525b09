//! A stand-in for AWS CodePipeline's third-party job API, for tests.
//!
//! It speaks the real wire protocol (awsJson1.1 over HTTP/1.1, SigV4 verified by an implementation of its
//! own), so any AWS SDK can be pointed at it. It holds jobs, answers `AcknowledgeThirdPartyJob` as
//! CodePipeline is known to, and misbehaves on request. It is for loopback only: it has no TLS, and its
//! control API asks for no credential.
//!
//! Modules, in the order in which a call passes them: `server` accepts, `connection` serves one connection and
//! applies its faults, and `call` takes one request to its response. `protocol` reads the request and writes the
//! response, `signature` authenticates the client, and `operations` decide on the jobs in `job_store`. `faults`
//! describe failures, and `plan` says which failure is next. `records` store what arrived, `control` offers the same
//! to other processes, and `simulator` is the handle for tests.

mod call;
mod clock;
mod config;
mod connection;
mod control;
mod faults;
mod job_store;
pub mod jobs;
mod operations;
mod plan;
mod protocol;
mod records;
mod server;
mod signature;
mod simulator;
mod state;

pub use config::{AccessKey, Config, SecondAcknowledge};
pub use faults::{
    AnswerFault, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, MessageKey, Shape, Then,
};
pub use jobs::{AnswerStatus, Job, JobFile, JobFileError, PlannedFault};
pub use operations::name::OperationName;
pub use records::{Processed, RequestOutcome, RequestRecord};
pub use signature::SignatureVerdict;
pub use simulator::Simulator;
