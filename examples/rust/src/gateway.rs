//! Acknowledges third-party jobs through codepipeline-gateway. Copy this file, balance.rs and
//! build.rs as they are.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::balance::{self, Balancer};

#[allow(clippy::all, clippy::pedantic)]
mod api {
    use std::fmt;

    tonic::include_proto!("codepipeline.thirdparty.v1");

    impl fmt::Debug for AcknowledgeThirdPartyJobRequest {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("AcknowledgeThirdPartyJobRequest")
                .field("job_id", &self.job_id)
                .finish_non_exhaustive()
        }
    }
}

use api::third_party_job_service_client::ThirdPartyJobServiceClient;
use api::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};

/// A call that has less could only become `unknown`.
const SHORTEST_CALL: Duration = Duration::from_millis(500);

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Begin the work.
    Yours,
    /// Don't.
    NotYours,
    /// It may be yours; let nothing repeat the call.
    Unknown,
}

/// The result of a call. Branch on `verdict`. Match errors on `reason` and `outcome`, never on
/// `message`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    pub code: String,
    pub status: String,
    pub aws_status: String,
    pub reason: String,
    pub outcome: String,
    /// At AWS, by the last call.
    pub attempts: u32,
    /// How many calls were made.
    pub calls: u32,
    pub request_id: String,
    pub message: String,
    #[serde(skip)]
    pub retry_after: Duration,
}

impl Answer {
    pub fn verdict(&self) -> Verdict {
        match (self.status.as_str(), self.outcome.as_str()) {
            ("JOB_STATUS_IN_PROGRESS", _) => Verdict::Yours,
            ("JOB_STATUS_UNSPECIFIED", _) | (_, "unknown") => Verdict::Unknown,
            _ => Verdict::NotYours,
        }
    }

    /// Nothing happened, and the same call may be made again.
    pub fn may_repeat(&self) -> bool {
        ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].contains(&&*self.code)
            && ["not_sent", "rejected"].contains(&&*self.outcome)
    }
}

/// How to reach the gateway. The files are PEM; without `ca` it is plaintext.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// A bearer token.
    pub token_file: Option<PathBuf>,
    /// Further calls at most.
    pub retries: u32,
}

/// One for the whole process: it keeps a connection to each replica.
pub struct Gateway {
    client: ThirdPartyJobServiceClient<Channel>,
    token_file: Option<PathBuf>,
    retries: u32,
    _balancer: Balancer,
}

impl Gateway {
    /// `target` is a headless Service: `dns:///codepipeline-gateway-headless:50051`.
    pub fn new(target: &str, options: Options) -> Result<Self, Box<dyn Error>> {
        let tls = match &options.ca {
            Some(ca) => Some(tls(fs::read(ca)?, &options)?),
            None if options.token_file.is_some() => {
                return Err("a token must not cross the network in the clear: a token file needs a CA".into());
            }
            None => None,
        };
        let (channel, balancer) = balance::channel(target.strip_prefix("dns:///").unwrap_or(target), tls)?;
        Ok(Self {
            client: ThirdPartyJobServiceClient::new(channel),
            token_file: options.token_file,
            retries: options.retries,
            _balancer: balancer,
        })
    }

    /// One acknowledge, repeated within `timeout` only where nothing happened.
    pub async fn acknowledge(
        &self,
        job_id: &str,
        nonce: &str,
        client_token: &str,
        timeout: Duration,
    ) -> Answer {
        let end = Instant::now() + timeout;
        for calls in 1.. {
            let request = AcknowledgeThirdPartyJobRequest {
                job_id: job_id.into(),
                nonce: nonce.into(),
                client_token: client_token.into(),
            };
            let answer = Answer { calls, ..self.call(request, end).await };
            // What the gateway asks for; and longer every time, if it keeps on.
            let pause = answer.retry_after.max(Duration::from_millis(100 << calls.min(10)));
            let pause = pause.mul_f64(1.0 + 0.2 * fastrand::f64());
            let left = end.saturating_duration_since(Instant::now() + pause);
            if !answer.may_repeat() || calls > self.retries || left < SHORTEST_CALL {
                return answer;
            }
            sleep(pause).await;
        }
        unreachable!("the last call returns")
    }

    async fn call(&self, message: AcknowledgeThirdPartyJobRequest, end: Instant) -> Answer {
        let mut request = Request::new(message);
        request.set_timeout(end.saturating_duration_since(Instant::now()));
        if let Some(file) = &self.token_file {
            // Read for each call: Kubernetes replaces a projected token before it expires.
            let header = tokio::fs::read_to_string(file)
                .await
                .ok()
                .and_then(|token| format!("Bearer {}", token.trim()).parse().ok());
            let Some(mut header): Option<MetadataValue<_>> = header else {
                return failed(&Status::unauthenticated("the token file can't be read"), true);
            };
            header.set_sensitive(true);
            request.metadata_mut().insert("authorization", header);
        }
        let mut client = self.client.clone();
        // tonic's own deadline doesn't hold while no replica is connected.
        match timeout_at(end, client.acknowledge_third_party_job(request)).await {
            Ok(Ok(reply)) => {
                let id = reply
                    .metadata()
                    .get("x-request-id")
                    .and_then(|id| id.to_str().ok())
                    .unwrap_or_default()
                    .into();
                succeeded(reply.into_inner(), id)
            }
            Ok(Err(status)) => failed(&status, never_connected(&status)),
            Err(_) => failed(&Status::deadline_exceeded("no answer within the deadline"), false),
        }
    }
}

fn succeeded(reply: AcknowledgeThirdPartyJobResponse, request_id: String) -> Answer {
    let status = reply.status().as_str_name().into();
    Answer { code: "OK".into(), status, aws_status: reply.aws_status, request_id, ..Answer::default() }
}

fn failed(status: &Status, not_sent: bool) -> Answer {
    let details = status.get_error_details();
    // An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
    let info = details.error_info().filter(|info| info.domain == "codepipeline-gateway");
    let of = |key: &str| info.and_then(|info| info.metadata.get(key).cloned());
    Answer {
        code: code_name(status.code()),
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        outcome: of("outcome").unwrap_or_else(|| if not_sent { "not_sent" } else { "unknown" }.into()),
        attempts: of("attempts").and_then(|attempts| attempts.parse().ok()).unwrap_or_default(),
        request_id: details.request_info().map(|request| request.request_id.clone()).unwrap_or_default(),
        message: status.message().into(),
        retry_after: details.retry_info().and_then(|retry| retry.retry_delay).unwrap_or_default(),
        ..Answer::default()
    }
}

/// tonic tells where a connection couldn't be made, so nothing was sent.
fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// `DeadlineExceeded` is `DEADLINE_EXCEEDED`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() && code != Code::Ok {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn tls(ca: Vec<u8>, options: &Options) -> Result<ClientTlsConfig, Box<dyn Error>> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(fs::read(cert)?, fs::read(key)?))),
        (None, None) => Ok(tls),
        _ => Err("a client certificate and its key go together".into()),
    }
}
