//! Presigned requests, with which an HTTP client downloads and uploads a job's artifacts without
//! AWS credentials.
//!
//! `presigner` signs the requests, and `endpoint` resolves S3's endpoint at the start. Besides
//! `codepipeline`, this folder alone imports the AWS SDK.

mod endpoint;
mod presigner;
#[cfg(test)]
mod tests;

pub use presigner::Presigner;
