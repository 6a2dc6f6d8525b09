//! Server reflection: v1 for current tools, v1alpha for Postman, Kreya, and older grpcui.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use super::http2::MAX_NAME_MESSAGE;
use crate::proto;

/// Adds both versions to the routes.
pub(super) fn add_to(routes: Routes) -> Routes {
    #[expect(
        clippy::expect_used,
        reason = "proof: the descriptor sets are fixed at compile time, and every start runs this"
    )]
    try_add_to(routes).expect("valid descriptor sets")
}

fn try_add_to(routes: Routes) -> Result<Routes, Error> {
    let v1 = descriptors().build_v1()?.max_decoding_message_size(MAX_NAME_MESSAGE);
    let v1alpha = descriptors().build_v1alpha()?.max_decoding_message_size(MAX_NAME_MESSAGE);
    Ok(routes.add_service(v1).add_service(v1alpha))
}

fn descriptors() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // Without these, grpcurl can't print the details of an error (grpcurl #96, #238).
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
