//! Classifies the errors that tonic itself returns: they have a code and no details.

use http::HeaderMap;
use tonic::Code;

use crate::error::{Failure, Reason, has_details};
use crate::methods::{Method, Role};
use crate::util::grpc_status;

/// The failure behind one of tonic's own errors; none for any other response.
pub(super) fn failure(method: &Method, response: &HeaderMap) -> Option<Failure> {
    (!has_details(response)).then(|| classify(method, grpc_status::code(response)))
}

fn classify(method: &Method, code: Code) -> Failure {
    let unreadable = |message: &str| Failure::not_sent(Reason::InvalidRequest).with_message(message);
    match code {
        Code::Unimplemented if method.role != Role::Unknown => {
            unreadable("The message has an unsupported compression. Nothing was sent. Send it uncompressed.")
        }
        Code::Unimplemented => Failure::not_sent(Reason::UnknownMethod),
        Code::OutOfRange | Code::ResourceExhausted => unreadable(
            "The message is larger than 64 KiB (health and reflection: 4 KiB). Nothing was sent. Send a \
             smaller one.",
        ),
        Code::NotFound if method.role == Role::Health => Failure::not_sent(Reason::UnknownService),
        _ => unreadable(
            "The message is malformed. Nothing was sent. Compare it with the proto file, and send \
             texts as UTF-8.",
        ),
    }
}
