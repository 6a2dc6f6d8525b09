//! An HTTP request that was read to its end.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::AwsError;
use super::response::AWS_JSON;

/// The prefix of every `X-Amz-Target`: the service and the version of its API.
const TARGET_PREFIX: &str = "CodePipeline_20150709.";

/// A request with its whole body.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Reads a body to its end. `None` means that the body is too large, or that the client
/// disconnected, in which case no response matters.
pub(crate) async fn read_body(body: Incoming, limit: usize) -> Option<Bytes> {
    // The response to a body that is announced as too large doesn't wait for the body.
    if body.size_hint().lower() > limit as u64 {
        return None;
    }
    Some(Limited::new(body, limit).collect().await.ok()?.to_bytes())
}

impl HttpRequest {
    /// The request with this head and without its body.
    pub(crate) fn of(head: Parts) -> Self {
        Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
        }
    }

    /// The value of a query parameter. SigV4 doesn't read `+` as a space.
    pub(crate) fn query_parameter(&self, name: &str) -> Option<String> {
        self.query_parameters().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The names and values in the query.
    pub(crate) fn query_parameters(&self) -> impl Iterator<Item = (String, String)> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parameters = self.query.split('&').filter(|parameter| !parameter.is_empty());
        let parameters = parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
        parameters.map(move |(name, value)| (decode(name), decode(value)))
    }

    /// The text of a header, if the request has the header and it is readable.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON. AWS reports broken JSON before it looks at the target or the signature.
    pub(crate) fn json(&self) -> Result<Value, AwsError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| AwsError::serialization("the request is not valid JSON"))
    }

    /// The name of the operation in `X-Amz-Target`, without the service's prefix.
    pub(crate) fn operation(&self) -> Option<&str> {
        self.header("x-amz-target")?.strip_prefix(TARGET_PREFIX)
    }

    /// The name of the protocol, if it is one of the Smithy protocols that identify themselves.
    pub(crate) fn smithy_protocol(&self) -> Option<&str> {
        let rpc_v2 = self.path.starts_with("/service/") && self.path.contains("/operation/");
        self.header("smithy-protocol").or(rpc_v2.then_some("rpc-v2"))
    }

    /// Whether the method, the path, and the content type are those of awsJson1.1.
    pub(crate) fn is_aws_json(&self) -> bool {
        self.method == "POST" && self.path == "/" && self.headers.get(CONTENT_TYPE) == Some(&AWS_JSON)
    }

    /// `jobId`, which selects a fault and appears in the record, even if the rest of the body is
    /// invalid.
    pub(crate) fn job_id(&self) -> Option<String> {
        Some(self.json().ok()?.get("jobId")?.as_str()?.to_owned())
    }
}
