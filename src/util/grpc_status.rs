//! Reads the gRPC status of a response.

use http::HeaderMap;
use tonic::{Code, Status};

/// The code in the headers of a response.
///
/// An error of the gateway is always in the headers (Trailers-Only). Headers without a code belong
/// to a success, whose trailers have the code.
pub(crate) fn code(headers: &HeaderMap) -> Code {
    headers.get(Status::GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_missing_code_is_ok_and_an_unreadable_one_is_unknown() {
        let code_of = |value| code(&HeaderMap::from_iter([(Status::GRPC_STATUS, value)]));
        assert_eq!(code(&HeaderMap::new()), Code::Ok);
        assert_eq!(code_of(HeaderValue::from_static("0")), Code::Ok);
        assert_eq!(code_of(HeaderValue::from_static("14")), Code::Unavailable);
        for unreadable in ["", "00", "17", "-1", "ok"] {
            assert_eq!(code_of(HeaderValue::from_static(unreadable)), Code::Unknown, "{unreadable}");
        }
    }
}
