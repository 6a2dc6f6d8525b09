//! A client of the buckets. AWS's own signer signs its requests.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use codepipeline_simulator::OperationName::GetThirdPartyJobDetails as DETAILS;
use codepipeline_simulator::{AccessKey, Artifact, EncryptionKey, Job, Simulator};

use crate::client::{Connection, Response};
use crate::{JOB, call_at, job, job_input, simulator};

pub(crate) const BUCKET: &str = "fake-bucket";
pub(crate) const INPUT: &str = "in/1.zip";
pub(crate) const OUTPUT: &str = "out/1.zip";
pub(crate) const KMS_KEY: &str = "alias/fake-key";

/// A job with an input artifact, an output artifact, and a KMS key.
pub(crate) fn job_with_artifacts() -> Job {
    Job {
        input_artifacts: vec![Artifact::new("Source", BUCKET, INPUT)],
        output_artifacts: vec![Artifact::new("Build", BUCKET, OUTPUT)],
        encryption_key: Some(EncryptionKey::kms(KMS_KEY)),
        ..job()
    }
}

/// A simulator with such a job, and the keys in its details.
pub(crate) async fn with_artifacts() -> (Simulator, AccessKey) {
    let simulator = simulator().await;
    simulator.add_job(job_with_artifacts());
    let key = artifact_key(&simulator, JOB).await;
    (simulator, key)
}

/// The keys in the details of a job.
pub(crate) async fn artifact_key(simulator: &Simulator, job_id: &str) -> AccessKey {
    let details = call_at(simulator, 0, DETAILS, &job_input(job_id)).await.json();
    let credentials = &details["jobDetails"]["data"]["artifactCredentials"];
    let text = |member: &str| credentials[member].as_str().unwrap().to_owned();
    AccessKey::new(text("accessKeyId"), text("secretAccessKey")).with_session_token(text("sessionToken"))
}

/// A request whose parts a test can replace.
#[derive(Clone)]
pub(crate) struct ObjectRequest {
    pub(crate) method: &'static str,
    /// The path on the wire.
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    pub(crate) signed: Vec<(&'static str, String)>,
    pub(crate) unsigned: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) key: AccessKey,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
    /// The seconds by which the client's clock is ahead.
    pub(crate) ahead: i64,
    pub(crate) lifetime: u64,
}

impl ObjectRequest {
    pub(crate) fn get(key: &AccessKey, object_key: &str) -> Self {
        Self {
            method: "GET",
            path: format!("/{BUCKET}/{object_key}"),
            host: None,
            signed: Vec::new(),
            unsigned: Vec::new(),
            body: String::new(),
            key: key.clone(),
            region: "eu-west-1",
            service: "s3",
            ahead: 0,
            lifetime: 900,
        }
    }

    /// An upload that is encrypted with the default job's key.
    pub(crate) fn put(key: &AccessKey, object_key: &str, body: &str) -> Self {
        Self {
            method: "PUT",
            body: body.to_owned(),
            signed: vec![
                ("x-amz-server-side-encryption", "aws:kms".to_owned()),
                ("x-amz-server-side-encryption-aws-kms-key-id", KMS_KEY.to_owned()),
            ],
            unsigned: vec![("content-length", body.len().to_string())],
            ..Self::get(key, object_key)
        }
    }

    fn sign(&self, simulator: &Simulator, location: SignatureLocation) -> SigningInstructions {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = location;
        let mut body = SignableBody::Bytes(self.body.as_bytes());
        match location {
            SignatureLocation::QueryParams => {
                settings.expires_in = Some(Duration::from_secs(self.lifetime));
                body = SignableBody::UnsignedPayload;
            }
            _ => settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256,
        }
        if let Some((_, hash)) = self.signed.iter().find(|(name, _)| *name == "x-amz-content-sha256") {
            body = SignableBody::Precomputed(hash.clone());
        }
        let AccessKey { access_key_id, secret_access_key, session_token, .. } = self.key.clone();
        let identity =
            Credentials::new(access_key_id, secret_access_key, session_token, None, "tests").into();
        let now = SystemTime::now();
        let by = Duration::from_secs(self.ahead.unsigned_abs());
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(if self.ahead < 0 { now - by } else { now + by })
            .settings(settings)
            .build()
            .unwrap();
        let url = format!("http://{}{}", self.host(simulator), self.path);
        let signed = self.signed.iter().map(|(name, value)| (*name, value.as_str()));
        let request = SignableRequest::new(self.method, url, signed, body).unwrap();
        sign(request, &params.into()).unwrap().into_parts().0
    }

    fn host(&self, simulator: &Simulator) -> String {
        self.host.clone().unwrap_or_else(|| simulator.addr().to_string())
    }

    /// The path and the query of the presigned request.
    pub(crate) fn presign(&self, simulator: &Simulator) -> String {
        let signed = self.sign(simulator, SignatureLocation::QueryParams);
        let encode = |text: &str| {
            let encoded = text.bytes().map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            });
            encoded.collect::<String>()
        };
        let query: Vec<_> =
            signed.params().iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        format!("{}?{}", self.path, query.join("&"))
    }

    /// Sends the presigned request.
    pub(crate) async fn send(&self, simulator: &Simulator) -> Response {
        self.send_to(simulator, &self.presign(simulator)).await
    }

    /// Sends the request to this path and query, without a further signature.
    pub(crate) async fn send_to(&self, simulator: &Simulator, target: &str) -> Response {
        self.write(simulator, target, Vec::new()).await.response().await.unwrap()
    }

    /// Sends the request with an `Authorization` header.
    pub(crate) async fn send_authorized(&self, simulator: &Simulator) -> Response {
        let signed = self.sign(simulator, SignatureLocation::Headers);
        let names = ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
        let headers = signed.headers().map(|(name, value)| {
            let name = names.into_iter().find(|known| *known == name).unwrap();
            (name, value.to_owned())
        });
        self.write(simulator, &self.path, headers.collect()).await.response().await.unwrap()
    }

    /// Writes the request and returns the connection.
    pub(crate) async fn write(
        &self,
        simulator: &Simulator,
        target: &str,
        signature: Vec<(&'static str, String)>,
    ) -> Connection {
        let mut headers = vec![("host", self.host(simulator))];
        headers.extend(signature.into_iter().chain(self.signed.clone()).chain(self.unsigned.clone()));
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        let line = format!("{} {target} HTTP/1.1", self.method);
        // The simulator reads every body, also one that it rejects.
        connection.request(&line, &headers, &self.body).await.unwrap();
        connection
    }
}

/// The content of an element of an S3 error.
pub(crate) fn element<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let (_, rest) = response.body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>")).unwrap().0)
}

/// Checks the status and the code of an S3 error, and that its message contains this text.
pub(crate) fn assert_error(response: &Response, status: u16, code: &str, text: &str) {
    let message = element(response, "Message").unwrap_or_default();
    assert_eq!((response.status, element(response, "Code")), (status, Some(code)), "{}", response.body);
    assert!(message.contains(text), "{message}");
    assert_eq!(response.headers["content-type"], "application/xml");
    assert_eq!(element(response, "RequestId"), Some(&*response.headers["x-amz-request-id"]));
}
