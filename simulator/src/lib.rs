//! A simulator of AWS CodePipeline's third-party job API, for tests.
//!
//! The simulator speaks awsJson1.1 over HTTP/1.1 and verifies Signature Version 4, so every AWS SDK
//! can use it as an endpoint. It stores jobs, processes calls as far as CodePipeline's behavior is
//! known, and fails on request. Run it on loopback only: it has no TLS, and its control API has no
//! authentication.
//!
//! Modules, in the order in which a call passes them: `server` accepts, `connection` serves one
//! connection and applies its faults, and `call` takes one request to its response. `protocol`
//! reads the request and writes the response, `signature` authenticates the client, and
//! `operations` decide on the jobs in `job_store`. `faults` describe failures, and `plan`
//! selects the next one. `records` store every request. `bucket` decides on requests for artifacts,
//! whose objects are in `object_store` and whose records are in `bucket_records`. `simulator` is
//! the handle for tests, and `control` offers the same functions to other processes.

mod artifact_keys;
mod bucket;
mod bucket_records;
mod call;
mod clock;
mod config;
mod connection;
mod control;
mod faults;
mod job_store;
pub mod jobs;
mod ledger;
mod object_store;
mod operations;
mod plan;
mod protocol;
mod records;
mod server;
mod signature;
mod simulator;
mod state;

pub use bucket_records::BucketRecord;
pub use config::{AccessKey, Config, RedispatchNonce, SecondAcknowledge};
pub use faults::{
    AnswerFault, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, MessageKey, PlannedFault,
    Shape, Then,
};
pub use jobs::{
    ActionType, AnswerStatus, Artifact, ArtifactContent, EncryptionKey, Job, JobFile, JobFileError,
    PipelineContext,
};
pub use ledger::{CurrentRevision, ExecutionDetails, FailureDetails, JobLedger, JobResult};
pub use object_store::{Encryption, Object};
pub use operations::name::OperationName;
pub use records::{Processed, RequestOutcome, RequestRecord};
pub use signature::SignatureVerdict;
pub use simulator::Simulator;
