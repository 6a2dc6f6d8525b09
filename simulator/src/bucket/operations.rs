//! The operations: `GetObject`, `HeadObject`, and `PutObject`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::S3Error;
use super::{encryption, policy};
use crate::jobs::{Artifact, ArtifactContent, Job};
use crate::object_store::{Encryption, Object, ObjectName};
use crate::protocol::HttpRequest;
use crate::state::State;

/// S3's content type for an object that was uploaded without one.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// The headers and the body of a response with HTTP 200.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads an input artifact: an uploaded object, or the content in the job file.
pub(super) fn get(state: &State, job: &Job, name: &ObjectName) -> Result<Success, S3Error> {
    let artifact = policy::readable(job, name)?;
    let uploaded = state.objects().get(name).cloned();
    let object = uploaded.or_else(|| of_artifact(state, job, artifact)).ok_or_else(|| {
        S3Error::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
            .with("Key", &name.key)
    })?;
    let mut headers = common_headers(&object);
    let content_type = HeaderValue::try_from(&object.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static(DEFAULT_TYPE)));
    let modified = HeaderValue::try_from(httpdate::fmt_http_date(object.last_modified));
    headers.extend(modified.ok().map(|value| (LAST_MODIFIED, value)));
    Ok(Success { headers, body: object.body })
}

/// Stores an output artifact.
pub(super) fn put(
    state: &State,
    job: &Job,
    name: ObjectName,
    request: &HttpRequest,
) -> Result<Success, S3Error> {
    let encryption = encryption::read(request)?;
    policy::check_write(job, &name, &encryption)?;
    let object = Object {
        body: request.body.clone(),
        content_type: request.header(CONTENT_TYPE.as_str()).unwrap_or(DEFAULT_TYPE).to_owned(),
        encryption,
        last_modified: state.clock.now().into(),
    };
    let headers = common_headers(&object);
    let max_objects = state.config().max_objects;
    if state.objects().put(name, object, max_objects) {
        return Ok(Success { headers, body: Bytes::new() });
    }
    Err(S3Error::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."))
}

fn common_headers(object: &Object) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::try_from(object.etag()).ok().map(|etag| (ETAG, etag)));
    encryption::write(&object.encryption, &mut headers);
    headers
}

/// The object of an input artifact that no job uploaded.
fn of_artifact(state: &State, job: &Job, artifact: &Artifact) -> Option<Object> {
    let body = match &artifact.content {
        ArtifactContent::Default => format!("The simulator's content of the artifact {}.\n", artifact.name),
        ArtifactContent::Text(text) => text.clone(),
        ArtifactContent::Missing => return None,
    };
    let key = job.encryption_key.as_ref();
    Some(Object {
        body: body.into(),
        content_type: DEFAULT_TYPE.to_owned(),
        encryption: key.map_or_else(Encryption::default, |key| Encryption::kms(&key.id)),
        last_modified: state.clock.now().into(),
    })
}
