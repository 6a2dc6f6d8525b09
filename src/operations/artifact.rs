//! The artifacts of a job: where they are in S3, and how a worker reads and writes them.

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use super::fields::SecretText;
use crate::proto;

/// An artifact in S3.
#[derive(Clone, Debug, Default)]
pub struct Artifact {
    /// Its name in the pipeline.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// The bucket.
    pub bucket_name: String,
    /// The object's key.
    pub object_key: String,
    /// The request that downloads or uploads it. AWS returns none: the gateway signs it.
    pub request: Option<ArtifactRequest>,
}

/// A presigned HTTP request.
#[derive(Clone)]
pub struct ArtifactRequest {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// The URL. Secret.
    pub url: SecretText,
    /// The headers to send. Secret.
    pub headers: HashMap<String, String>,
    /// When AWS stops accepting the request.
    pub expires_at: SystemTime,
}

/// Temporary AWS credentials. Secret.
#[derive(Clone)]
pub struct SessionCredentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
}

impl fmt::Debug for ArtifactRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCredentials(redacted)")
    }
}

impl From<Artifact> for proto::Artifact {
    fn from(artifact: Artifact) -> Self {
        let Artifact { name, revision, bucket_name, object_key, request } = artifact;
        Self { name, revision, bucket_name, object_key, request: request.map(Into::into) }
    }
}

impl From<ArtifactRequest> for proto::ArtifactRequest {
    fn from(request: ArtifactRequest) -> Self {
        let ArtifactRequest { method, url, headers, expires_at } = request;
        let (method, url) = (method.to_owned(), url.expose().to_owned());
        Self { method, url, headers, expires_at: Some(expires_at.into()) }
    }
}

impl From<SessionCredentials> for proto::AwsSessionCredentials {
    fn from(credentials: SessionCredentials) -> Self {
        let SessionCredentials { access_key_id, secret_access_key, session_token } = credentials;
        Self { access_key_id, secret_access_key, session_token }
    }
}
