//! Signs the requests for a job's artifacts with the job's own credentials.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;

use super::endpoint;
use crate::codepipeline::redact;
use crate::operations::{Artifact, ArtifactRequest, JobDetails, SessionCredentials};
use crate::util::error_chain::chain;

/// How long a request can be used. AWS's credentials for the artifacts expire after about 15
/// minutes, and a request expires with its credentials. The minute between keeps `expires_at` true.
pub(super) const VALIDITY: Duration = Duration::from_secs(14 * 60);

type SigningError = Box<dyn Error + Send + Sync>;

/// Signs requests to S3. It opens no connection.
#[derive(Clone)]
pub struct Presigner {
    client: Client,
    endpoint: String,
}

impl fmt::Debug for Presigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigner").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Presigner {
    /// A presigner for the region of this configuration and for its endpoint of S3, if it has one.
    ///
    /// # Errors
    /// S3 has no endpoint for this configuration.
    pub(crate) async fn new(config: &SdkConfig, configured: Option<String>) -> Result<Self, String> {
        let endpoint = endpoint::resolve(config, configured.as_deref()).await?;
        // The gateway's own credentials must never sign a request that leaves with a response.
        let mut without_credentials = config.to_builder();
        without_credentials.set_credentials_provider(None);
        let mut config = Builder::from(&without_credentials.build())
            // A checksum would be signed too, and a client would need to send exactly the same.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // A session for a directory bucket would be a call to S3.
            .disable_s3_express_session_auth(true)
            .http_client(http_client_fn(|_, _| SharedHttpConnector::new(NoConnection)));
        config.set_endpoint_url(configured.as_deref().map(endpoint::with_slash));
        Ok(Self { client: Client::from_conf(config.build()), endpoint })
    }

    /// The URL of S3, without a bucket.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Gives each artifact of a job its request, if the job has credentials and the artifact has a
    /// location. A failure is logged: the job's other details are still useful.
    pub(crate) async fn presign(&self, job: &mut JobDetails, signed_at: SystemTime) {
        let Some(signer) = Signer::new(&self.client, job, signed_at) else { return };
        for artifact in job.input_artifacts.iter_mut().filter(|artifact| has_location(artifact)) {
            let request = signer.download(artifact).await;
            artifact.request = signer.checked(&job.id, artifact, request);
        }
        for artifact in job.output_artifacts.iter_mut().filter(|artifact| has_location(artifact)) {
            let request = signer.upload(artifact).await;
            artifact.request = signer.checked(&job.id, artifact, request);
        }
    }
}

/// Fails every request. A presigner sends none, so that it needs no certificates either, which the
/// SDK's own client loads.
#[derive(Debug)]
struct NoConnection;

impl HttpConnector for NoConnection {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::user("a presigner sends no request".into())))
    }
}

fn has_location(artifact: &Artifact) -> bool {
    !artifact.bucket_name.is_empty() && !artifact.object_key.is_empty()
}

/// Signs the requests of one job.
struct Signer<'a> {
    client: &'a Client,
    credentials: SessionCredentials,
    kms_key: Option<String>,
    signed_at: SystemTime,
}

impl<'a> Signer<'a> {
    /// None if the job has no credentials.
    fn new(client: &'a Client, job: &JobDetails, signed_at: SystemTime) -> Option<Self> {
        let credentials = job.artifact_credentials.clone()?;
        if credentials.access_key_id.is_empty() || credentials.secret_access_key.is_empty() {
            return None;
        }
        let key = job.encryption_key.as_ref().filter(|(id, kind)| kind == "KMS" && !id.is_empty());
        let kms_key = key.map(|(id, _)| id.clone());
        Some(Self { client, credentials, kms_key, signed_at: whole_seconds(signed_at) })
    }

    async fn download(&self, artifact: &Artifact) -> Result<ArtifactRequest, SigningError> {
        let operation = self.client.get_object().bucket(&artifact.bucket_name).key(&artifact.object_key);
        let operation = operation.customize().config_override(self.override_config());
        Ok(self.request("GET", &operation.presigned(self.times()?).await?))
    }

    async fn upload(&self, artifact: &Artifact) -> Result<ArtifactRequest, SigningError> {
        let encryption = self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms);
        let operation = self.client.put_object().bucket(&artifact.bucket_name).key(&artifact.object_key);
        let operation = operation
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(self.kms_key.clone())
            .customize()
            .config_override(self.override_config());
        Ok(self.request("PUT", &operation.presigned(self.times()?).await?))
    }

    fn override_config(&self) -> Builder {
        let SessionCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        let token = Some(session_token.clone()).filter(|token| !token.is_empty());
        let credentials = Credentials::new(access_key_id, secret_access_key, token, None, "artifacts");
        Builder::new().credentials_provider(credentials).identity_cache(IdentityCache::no_cache())
    }

    fn times(&self) -> Result<PresigningConfig, SigningError> {
        Ok(PresigningConfig::builder().start_time(self.signed_at).expires_in(VALIDITY).build()?)
    }

    fn request(&self, method: &'static str, signed: &PresignedRequest) -> ArtifactRequest {
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        ArtifactRequest {
            method,
            url: signed.uri().to_owned().into(),
            headers: headers.collect(),
            expires_at: self.signed_at + VALIDITY,
        }
    }

    /// The request, or none and a warning.
    fn checked(
        &self,
        job_id: &str,
        artifact: &Artifact,
        request: Result<ArtifactRequest, SigningError>,
    ) -> Option<ArtifactRequest> {
        let error = match request {
            Ok(request) => return Some(request),
            Err(error) => error,
        };
        let SessionCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        let error = redact(&chain(&*error), &[access_key_id, secret_access_key, session_token]);
        tracing::warn!(job_id, artifact = artifact.name, error, "can't presign the request for an artifact");
        None
    }
}

/// A signature has no fractions of a second.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
