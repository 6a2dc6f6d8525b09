//! Rejects requests that aren't gRPC over HTTP/2.

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use tonic::body::Body;

/// Passes a gRPC request and rejects any other with 415 and a text: its client can't read a gRPC
/// error.
///
/// gRPC's "PROTOCOL-HTTP2" asks for 415, because other clients would treat 200 as a success.
pub(super) fn require_grpc<B>(request: &mut Request<B>) -> Result<(), Response<Body>> {
    if is_grpc(request) { Ok(()) } else { Err(unsupported_media_type()) }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // "application/grpc" and "application/grpc+proto", but not gRPC-Web's "application/grpc-web".
    let grpc = content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    grpc && request.version() == Version::HTTP_2 && request.method() == Method::POST
}

fn unsupported_media_type() -> Response<Body> {
    const TEXT: &str = "This port serves only gRPC over HTTP/2. \
                        Try: grpcurl HOST:PORT list (with -plaintext if the port has no TLS)\n";
    let mut response = Response::new(Body::new(Full::from(TEXT)));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
