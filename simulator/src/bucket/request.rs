//! Reads the body of a request to a bucket, and rejects features of S3 that the simulator doesn't
//! have.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};

use super::error::S3Error;
use crate::protocol::{self, HttpRequest};
use crate::state::State;

/// The largest body of a request that isn't an upload.
const BODY_LIMIT: usize = 1 << 20;

/// The number of bytes of a rejected body that the simulator reads before the response.
const DISCARDED: usize = 64 << 20;

/// Reads the body, that of an upload up to the maximum size of an object. S3 requires the length of
/// an upload in advance.
pub(super) async fn read_body(
    state: &State,
    request: &mut HttpRequest,
    body: Incoming,
) -> Result<(), S3Error> {
    let is_upload = request.method == "PUT";
    if request.headers.contains_key(TRANSFER_ENCODING) {
        discard(body).await;
        return Err(S3Error::not_implemented("Header", "Transfer-Encoding"));
    }
    if is_upload && !request.headers.contains_key(CONTENT_LENGTH) {
        let text = "You must provide the Content-Length HTTP header.";
        return Err(S3Error::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", text));
    }
    let limit = if is_upload { state.config().max_object_size } else { BODY_LIMIT };
    let size = body.size_hint().lower();
    if size > limit as u64 {
        discard(body).await;
        let (code, text) = if is_upload {
            ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        } else {
            ("MaxMessageLengthExceeded", "Your request was too large.")
        };
        return Err(S3Error::bad_request(code, text)
            .with("ProposedSize", size.to_string())
            .with("MaxSizeAllowed", limit.to_string()));
    }
    let incomplete = || {
        let text = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        S3Error::bad_request("IncompleteBody", text)
    };
    request.body = protocol::read_body(body, limit).await.ok_or_else(incomplete)?;
    Ok(())
}

/// Reads a body that is rejected. A client that still writes its body would see the end of the
/// connection instead of the response.
async fn discard(body: Incoming) {
    let mut body = Limited::new(body, DISCARDED);
    while let Some(Ok(_)) = body.frame().await {}
}

/// Rejects headers and query parameters that would change the operation, such as a copy, a range,
/// or a part of an upload.
pub(super) fn check_features(request: &HttpRequest) -> Result<(), S3Error> {
    for header in ["x-amz-copy-source", "range"] {
        if request.headers.contains_key(header) {
            return Err(S3Error::not_implemented("Header", header));
        }
    }
    let known = |name: &str| name == "x-id" || name.to_ascii_lowercase().starts_with("x-amz-");
    match request.query_parameters().map(|(name, _)| name).find(|name| !known(name)) {
        Some(name) => Err(S3Error::not_implemented("Parameter", name)),
        None => Ok(()),
    }
}
