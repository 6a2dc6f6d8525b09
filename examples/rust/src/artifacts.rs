//! Downloads and uploads a job's artifacts with the presigned requests of its details. Copy this
//! file as it is.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use ureq::{Agent, http};

use crate::gateway::Gateway;
use crate::gateway::api::{Artifact, ArtifactRequest, FailureType, ThirdPartyJobData};

/// Bytes. A larger artifact needs a file instead of memory.
const LARGEST: u64 = 64 << 20;
/// How often a request is sent, and the time for each.
const CALLS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(60);
/// A request that expires earlier is replaced.
const SHORTEST_VALIDITY: u64 = 60;

/// An artifact can't be downloaded or uploaded.
#[derive(Debug)]
pub struct ArtifactError {
    /// The failure type of the job.
    pub kind: FailureType,
    message: String,
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ArtifactError {}

/// The artifacts of one job. It has no `Debug`, because their requests are secrets.
pub struct Artifacts {
    pub gateway: Arc<Gateway>,
    pub job_id: String,
    pub client_token: String,
    /// From the job's details.
    pub data: ThirdPartyJobData,
}

/// The artifacts to choose from.
type List = fn(&ThirdPartyJobData) -> &[Artifact];

impl Artifacts {
    /// The content of an input artifact.
    ///
    /// # Errors
    /// The artifact isn't available, or it is too large.
    pub async fn download(&mut self, name: &str) -> Result<Vec<u8>, ArtifactError> {
        self.send(|data| &data.input_artifacts, name, None).await
    }

    /// Stores an output artifact.
    ///
    /// # Errors
    /// The artifact can't be stored.
    pub async fn upload(&mut self, name: &str, content: Arc<[u8]>) -> Result<(), ArtifactError> {
        self.send(|data| &data.output_artifacts, name, Some(content)).await.map(|_| ())
    }

    /// Retries after a missing response and after the statuses that can change. After 403, with a
    /// new request.
    async fn send(
        &mut self,
        list: List,
        name: &str,
        content: Option<Arc<[u8]>>,
    ) -> Result<Vec<u8>, ArtifactError> {
        let mut status = 0;
        for call in 0..CALLS {
            if call > 0 {
                sleep(Duration::from_millis(250 << call)).await;
            }
            let (request, content) = (self.request(list, name, status == 403).await?, content.clone());
            let sent = spawn_blocking(move || send_once(&request, content.as_deref())).await;
            match sent.unwrap_or(Err(Problem::NoResponse)) {
                Ok(body) => return Ok(body),
                Err(Problem::TooLarge) => {
                    let message = format!("The artifact {name} is larger than {LARGEST} bytes.");
                    return Err(ArtifactError { kind: FailureType::JobFailed, message });
                }
                Err(Problem::NoResponse) => status = 0,
                Err(Problem::Status(other)) => status = other,
            }
            if !(matches!(status, 0 | 403 | 429) || status >= 500) {
                break;
            }
        }
        let why = if status == 0 { "no response".to_owned() } else { format!("HTTP status {status}") };
        let message = format!("The artifact {name} isn't available: {why}.");
        Err(ArtifactError { kind: failure_type(status), message })
    }

    /// The artifact's request. Reads the details again if S3 rejected the request, or if it expires
    /// soon.
    async fn request(
        &mut self,
        list: List,
        name: &str,
        rejected: bool,
    ) -> Result<ArtifactRequest, ArtifactError> {
        if rejected || find(list(&self.data), name).is_none_or(expires_soon) {
            let (details, _) = self.gateway.details(&self.job_id, &self.client_token).await;
            if let Some(data) = details.and_then(|details| details.data) {
                self.data = data;
            }
        }
        find(list(&self.data), name).cloned().ok_or_else(|| ArtifactError {
            kind: FailureType::PermissionError,
            message: format!("The job has no request for the artifact {name}."),
        })
    }
}

fn find<'a>(artifacts: &'a [Artifact], name: &str) -> Option<&'a ArtifactRequest> {
    artifacts.iter().find(|artifact| artifact.name == name)?.request.as_ref()
}

fn expires_soon(request: &ArtifactRequest) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = request.expires_at.as_ref().map_or(0, |at| at.seconds);
    u64::try_from(at).unwrap_or(0) < now + SHORTEST_VALIDITY
}

fn failure_type(status: u16) -> FailureType {
    match status {
        403 => FailureType::PermissionError,
        404 => FailureType::RevisionUnavailable,
        _ => FailureType::SystemUnavailable,
    }
}

enum Problem {
    NoResponse,
    Status(u16),
    TooLarge,
}

impl From<ureq::Error> for Problem {
    /// Drops the error's text, which can contain the URL.
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge,
            _ => Self::NoResponse,
        }
    }
}

/// Sends a request, and returns the body of a good response.
fn send_once(request: &ArtifactRequest, content: Option<&[u8]>) -> Result<Vec<u8>, Problem> {
    let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
    let agent = Agent::from(config.build());
    let mut call = http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    let response = match content {
        Some(content) => agent.run(call.body(content).map_err(ureq::Error::from)?),
        None => agent.run(call.body(()).map_err(ureq::Error::from)?),
    };
    let mut response = response?;
    match response.status().as_u16() {
        200 => Ok(response.body_mut().with_config().limit(LARGEST).read_to_vec()?),
        status => Err(Problem::Status(status)),
    }
}
