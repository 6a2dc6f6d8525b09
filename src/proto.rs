//! The generated gRPC types of `proto/`, and the descriptor set that server reflection serves.
//!
//! Only `operations`, `service`, `error`, and the server's wiring use these types. Everything else
//! works with the types of `operations`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code; the proto file has the documentation"
)]

tonic::include_proto!("codepipeline.thirdparty.v1");

// The `Debug` of the messages with secrets, and the list of their secret fields.
include!(concat!(env!("OUT_DIR"), "/secrets.rs"));

/// Every message, service, and comment of the API, as an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
