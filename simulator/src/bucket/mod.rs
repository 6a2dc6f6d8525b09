//! The artifacts' buckets: S3's `GetObject`, `HeadObject`, and `PutObject` for the keys in the
//! details of jobs.

mod address;
mod encryption;
mod error;
mod operations;
mod policy;
mod request;
mod signature;
mod verifier;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, DATE};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use uuid::Uuid;

use self::error::S3Error;
use self::operations::Success;
use self::signature::Signature;
use self::verifier::Verifier;
use crate::bucket_records::BucketRecord;
use crate::jobs::Job;
use crate::object_store::ObjectName;
use crate::protocol::HttpRequest;
use crate::state::State;

/// The number of characters of a key and of an access key id in a record.
const RECORDED: usize = 1024;

/// Whether a request is for a bucket. The API's requests have the path `/` or name their protocol.
pub(crate) fn is_for_bucket(request: &HttpRequest) -> bool {
    let is_api = request.path == "/" || request.headers.contains_key("x-amz-target");
    !is_api && (request.method != "POST" || request.smithy_protocol().is_none())
}

/// Responds to a request for a bucket on the connection with this number.
pub(crate) async fn respond(
    state: &State,
    connection: usize,
    mut request: HttpRequest,
    body: Incoming,
) -> Response<Bytes> {
    let name = address::object_name(&request);
    let read = request::read_body(state, &mut request, body).await;
    let signature =
        read.and_then(|()| address::check(&request, &name)).and_then(|()| Signature::parse(&request));
    let access_key_id = signature.as_ref().ok().map(|signature| signature.access_key_id().to_owned());
    let result = signature.and_then(|signature| process(state, &request, &name, &signature));
    let request_id = Uuid::new_v4().simple().to_string()[..16].to_uppercase();
    let error = result.as_ref().err();
    let first = |text: String| text.chars().take(RECORDED).collect::<String>();
    state.bucket_records.add(BucketRecord {
        connection,
        request_id: request_id.clone(),
        method: request.method,
        bucket: first(name.bucket),
        key: first(name.key),
        access_key_id: access_key_id.map(first),
        http_status: error.map_or(StatusCode::OK, |error| error.status).as_u16(),
        error_code: error.map(|error| error.code),
        error_message: error.map(|error| first(error.message.clone())),
    });
    response(state, &request_id, result)
}

/// Verifies the signature, then the permissions, then processes the request.
fn process(
    state: &State,
    request: &HttpRequest,
    name: &ObjectName,
    signature: &Signature,
) -> Result<Success, S3Error> {
    let job = authenticate(state, request, signature)?;
    if !state.jobs().has_bucket(&name.bucket) {
        let text = "The specified bucket does not exist";
        return Err(
            S3Error::new(StatusCode::NOT_FOUND, "NoSuchBucket", text).with("BucketName", &name.bucket)
        );
    }
    match &*request.method {
        "GET" | "HEAD" if name.key.is_empty() => Err(policy::not_allowed("s3:ListBucket", name)),
        "GET" | "HEAD" => {
            request::check_features(request)?;
            operations::get(state, &job, name)
        }
        "PUT" if name.key.is_empty() => Err(policy::not_allowed("s3:CreateBucket", name)),
        "PUT" => {
            request::check_features(request)?;
            operations::put(state, &job, name.clone(), request)
        }
        method => {
            let text = "The specified method is not allowed against this resource.";
            let error = S3Error::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text);
            Err(error.with("Method", method).with("ResourceType", "OBJECT"))
        }
    }
}

/// The job that the request's key is for.
fn authenticate(state: &State, request: &HttpRequest, signature: &Signature) -> Result<Job, S3Error> {
    let now = state.clock.now();
    // The hash of a large body takes a while, in which no lock is held.
    let issued = state.jobs().artifact_keys.find(signature.access_key_id(), now);
    let verifier = Verifier { issued, region: state.config().region.clone(), now };
    let job_id = verifier.verify(request, signature)?;
    state.job(job_id).ok_or_else(|| S3Error::access_denied("Access Denied"))
}

fn response(state: &State, request_id: &str, result: Result<Success, S3Error>) -> Response<Bytes> {
    let host_id = format!("fake-host-id-{request_id}");
    let mut response = match result {
        Ok(Success { headers, body }) => {
            let mut response = Response::new(body);
            *response.headers_mut() = headers;
            response
        }
        Err(error) => {
            let mut response = Response::new(error.xml(request_id, &host_id).into());
            *response.status_mut() = error.status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            if error.status == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT"));
            }
            response
        }
    };
    let values = [
        ("x-amz-request-id", Some(request_id.to_owned())),
        ("x-amz-id-2", Some(host_id)),
        (DATE.as_str(), state.clock.date_header()),
    ];
    for (name, value) in values {
        if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(http::HeaderName::from_static(name), value);
        }
    }
    response
}
