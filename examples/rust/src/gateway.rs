//! Makes the calls of a third-party job through codepipeline-gateway. Copy this file, answer.rs,
//! balance.rs, and build.rs as they are.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request, Response, Status};

use crate::answer::Answer;
use crate::balance::{self, Balancer};

/// The generated messages. They have no `Debug`, because they contain secrets.
#[allow(clippy::all, clippy::pedantic)]
pub mod api {
    tonic::include_proto!("codepipeline.thirdparty.v1");
}

use api::third_party_job_service_client::ThirdPartyJobServiceClient;
use api::{
    AcknowledgeThirdPartyJobRequest, ActionTypeId, ExecutionDetails, FailureDetails,
    GetThirdPartyJobDetailsRequest, PollForThirdPartyJobsRequest, PutThirdPartyJobFailureResultRequest,
    PutThirdPartyJobSuccessResultRequest, ThirdPartyJob, ThirdPartyJobDetails,
};

/// A shorter call could only end as `unknown`.
const SHORTEST_CALL: Duration = Duration::from_millis(500);
/// How precisely timers end.
const TICK: Duration = Duration::from_millis(1);

type Client = ThirdPartyJobServiceClient<Channel>;

/// How to reach the gateway. The files are PEM; without `ca` it is plaintext.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// A bearer token.
    pub token_file: Option<PathBuf>,
    /// Maximum number of retries.
    pub retries: u32,
    /// Per call, retries included. A poll has its wait in addition.
    pub timeout: Duration,
}

/// Create one for the whole process: it keeps a connection to each replica.
pub struct Gateway {
    client: Client,
    token_file: Option<PathBuf>,
    retries: u32,
    timeout: Duration,
    _balancer: Balancer,
}

impl Gateway {
    /// `target` is a headless Service: `dns:///codepipeline-gateway-headless:50051`.
    pub fn new(target: &str, options: Options) -> Result<Self, Box<dyn Error>> {
        let tls = match &options.ca {
            Some(ca) => Some(tls(fs::read(ca)?, &options)?),
            None if options.token_file.is_some() => {
                return Err("the token must be encrypted: a token file needs a CA".into());
            }
            None => None,
        };
        let (channel, balancer) = balance::channel(target.strip_prefix("dns:///").unwrap_or(target), tls)?;
        Ok(Self {
            client: ThirdPartyJobServiceClient::new(channel),
            token_file: options.token_file,
            retries: options.retries,
            timeout: options.timeout,
            _balancer: balancer,
        })
    }

    /// Asks for jobs, and waits for the first one. Retried after any UNAVAILABLE: AWS hands lost
    /// jobs out again.
    pub async fn poll(
        &self,
        action_type: &ActionTypeId,
        max_batch_size: i32,
        wait: Duration,
    ) -> (Vec<ThirdPartyJob>, Answer) {
        let request = PollForThirdPartyJobsRequest {
            action_type_id: Some(action_type.clone()),
            max_batch_size: Some(max_batch_size),
            wait: wait.try_into().ok(),
        };
        let send =
            |mut client: Client, request| async move { client.poll_for_third_party_jobs(request).await };
        let (reply, answer) = self.retried(self.timeout + wait, true, send, request).await;
        (reply.map(|reply| reply.jobs).unwrap_or_default(), answer)
    }

    /// Reads a job. Retried after any UNAVAILABLE: the call changes nothing.
    pub async fn details(&self, job_id: &str, client_token: &str) -> (Option<ThirdPartyJobDetails>, Answer) {
        let request =
            GetThirdPartyJobDetailsRequest { job_id: job_id.into(), client_token: client_token.into() };
        let send =
            |mut client: Client, request| async move { client.get_third_party_job_details(request).await };
        let (reply, answer) = self.retried(self.timeout, true, send, request).await;
        (reply.and_then(|reply| reply.job_details), answer)
    }

    /// Takes a job. Retried only if the gateway says that nothing happened.
    pub async fn acknowledge(&self, job_id: &str, nonce: &str, client_token: &str) -> Answer {
        let request = AcknowledgeThirdPartyJobRequest {
            job_id: job_id.into(),
            nonce: nonce.into(),
            client_token: client_token.into(),
        };
        let send =
            |mut client: Client, request| async move { client.acknowledge_third_party_job(request).await };
        let (reply, answer) = self.retried(self.timeout, false, send, request).await;
        match reply {
            Some(reply) => {
                Answer { status: reply.status().as_str_name().into(), aws_status: reply.aws_status, ..answer }
            }
            None => answer,
        }
    }

    /// Ends a job with a success. Retried only if the gateway says that nothing happened.
    pub async fn succeed(&self, job_id: &str, client_token: &str, details: ExecutionDetails) -> Answer {
        let request = PutThirdPartyJobSuccessResultRequest {
            job_id: job_id.into(),
            client_token: client_token.into(),
            execution_details: Some(details),
            ..Default::default()
        };
        let send = |mut client: Client, request| async move {
            client.put_third_party_job_success_result(request).await
        };
        self.retried(self.timeout, false, send, request).await.1
    }

    /// Ends a job with a failure. Retried only if the gateway says that nothing happened.
    pub async fn fail(&self, job_id: &str, client_token: &str, details: FailureDetails) -> Answer {
        let request = PutThirdPartyJobFailureResultRequest {
            job_id: job_id.into(),
            client_token: client_token.into(),
            failure_details: Some(details),
        };
        let send = |mut client: Client, request| async move {
            client.put_third_party_job_failure_result(request).await
        };
        self.retried(self.timeout, false, send, request).await.1
    }

    /// A harmless call is retried whatever its outcome is.
    async fn retried<Q, R, F>(
        &self,
        timeout: Duration,
        harmless: bool,
        send: impl Fn(Client, Request<Q>) -> F,
        message: Q,
    ) -> (Option<R>, Answer)
    where
        Q: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let end = Instant::now() + timeout;
        let mut calls = 0;
        loop {
            calls += 1;
            let (reply, mut answer) = self.call(&send, message.clone(), end).await;
            answer.calls = calls;
            // At least the RetryInfo delay, and longer each time.
            let pause = answer.retry_after.max(Duration::from_millis(100 << calls.min(10)));
            let pause = pause.mul_f64(1.0 + 0.2 * fastrand::f64());
            let left = end.saturating_duration_since(Instant::now() + pause);
            let repeatable = answer.nothing_happened() || (harmless && answer.is_transient());
            if !repeatable || calls > self.retries || left < SHORTEST_CALL {
                return (reply, answer);
            }
            sleep(pause).await;
        }
    }

    async fn call<Q, R, F>(
        &self,
        send: &impl Fn(Client, Request<Q>) -> F,
        message: Q,
        end: Instant,
    ) -> (Option<R>, Answer)
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(end.saturating_duration_since(Instant::now()));
        if let Some(file) = &self.token_file {
            let Some(mut header) = authorization(file).await else {
                return (None, Answer::not_sent(&Status::unauthenticated("the token file can't be read")));
            };
            header.set_sensitive(true);
            request.metadata_mut().insert("authorization", header);
        }
        // tonic's own deadline doesn't hold while no replica is connected.
        match timeout_at(end, send(self.client.clone(), request)).await {
            Ok(Ok(reply)) => {
                let answer = Answer::ok(reply.metadata());
                (Some(reply.into_inner()), answer)
            }
            // tonic's own deadline is CANCELLED, without details.
            Ok(Err(status)) if status.code() != Code::Cancelled || Instant::now() + TICK < end => {
                (None, Answer::failed(&status))
            }
            Ok(Err(_)) | Err(_) => {
                (None, Answer::failed(&Status::deadline_exceeded("no answer within the deadline")))
            }
        }
    }
}

/// Read for each call, because Kubernetes replaces a projected token before it expires.
async fn authorization(file: &Path) -> Option<MetadataValue<Ascii>> {
    let token = tokio::fs::read_to_string(file).await.ok()?;
    format!("Bearer {}", token.trim()).parse().ok()
}

fn tls(ca: Vec<u8>, options: &Options) -> Result<ClientTlsConfig, Box<dyn Error>> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(fs::read(cert)?, fs::read(key)?))),
        (None, None) => Ok(tls),
        _ => Err("a client certificate and its key go together".into()),
    }
}
