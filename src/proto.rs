//! The generated gRPC types of `proto/`, and the descriptor set that server reflection shows.
//!
//! Only `job.rs` (parse), `service.rs` (answer) and the server's wiring touch these; everything else works with the
//! domain's own types.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code; the proto file has the documentation"
)]

use std::fmt;

tonic::include_proto!("codepipeline.thirdparty.v1");

/// Every message, service and comment of the API, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

// prost would print the two secrets, and it ignores `debug_redact`.
impl fmt::Debug for AcknowledgeThirdPartyJobRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcknowledgeThirdPartyJobRequest")
            .field("job_id", &self.job_id)
            .finish_non_exhaustive()
    }
}
