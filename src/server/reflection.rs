//! Server reflection: v1 for today's tools, v1alpha for Postman, Kreya and older grpcui.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use super::MAX_NAME;
use crate::proto;

/// Offers both versions.
pub(super) fn add_to(routes: Routes) -> Routes {
    #[expect(
        clippy::expect_used,
        reason = "proof: what is registered is fixed at compile time, and every start passes here"
    )]
    try_add_to(routes).expect("descriptor sets made by this build")
}

fn try_add_to(routes: Routes) -> Result<Routes, Error> {
    let v1 = everything().build_v1()?.max_decoding_message_size(MAX_NAME);
    let v1alpha = everything().build_v1alpha()?.max_decoding_message_size(MAX_NAME);
    Ok(routes.add_service(v1).add_service(v1alpha))
}

fn everything() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // Without these grpcurl can't print the details of an error (grpcurl #96, #238).
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
