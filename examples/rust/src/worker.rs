//! Takes jobs and ends them. Copy this file and replace `work`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use crate::answer::{Answer, Verdict};
use crate::artifacts::{ArtifactError, Artifacts};
use crate::gateway::Gateway;
use crate::gateway::api::{ExecutionDetails, FailureDetails, FailureType, ThirdPartyJob};

/// How often a worker reports the result of a job whose calls have an unknown outcome.
const RESULT_CALLS: u32 = 6;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// AWS recorded the success.
    Success,
    /// AWS recorded the failure.
    Failure,
    /// Another worker can have the job.
    NotYours,
    /// AWS rejected the result.
    NotRecorded,
    /// Look at the job in AWS.
    Unknown,
}

/// A failure of the job that says how the pipeline sees it.
#[derive(Debug)]
struct JobFailed {
    kind: FailureType,
    message: &'static str,
}

impl fmt::Display for JobFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for JobFailed {}

/// The worker's own code. A `JobFailed` is the job's failure, and so is every other error.
async fn work(mut artifacts: Artifacts) -> Result<ExecutionDetails, Box<dyn Error + Send + Sync>> {
    let data = artifacts.data.clone();
    let Some(seconds) = data.configuration.get("Seconds") else {
        let message = "The action's configuration has no Seconds.";
        return Err(JobFailed { kind: FailureType::ConfigurationError, message }.into());
    };
    sleep(Duration::try_from_secs_f64(seconds.parse()?)?).await;
    let mut content = Vec::new();
    for artifact in &data.input_artifacts {
        content.extend(artifacts.download(&artifact.name).await?);
    }
    let content: Arc<[u8]> = content.into();
    for artifact in &data.output_artifacts {
        artifacts.upload(&artifact.name, content.clone()).await?;
    }
    let summary = format!("Waited and copied {} bytes.", content.len());
    Ok(ExecutionDetails { summary, percent_complete: Some(100), ..Default::default() })
}

/// Takes jobs and ends them. `client_token` returns the token of a client id.
pub struct Worker<T: Fn(&str) -> String> {
    pub gateway: Arc<Gateway>,
    pub client_token: T,
}

impl<T: Fn(&str) -> String> Worker<T> {
    /// Takes one job to its end. Returns the result and the last call.
    pub async fn process(&self, job: &ThirdPartyJob) -> (JobResult, Answer) {
        let token = (self.client_token)(&job.client_id);
        let (details, answer) = self.gateway.details(&job.job_id, &token).await;
        let Some(details) = details else {
            // Not acknowledged, so AWS hands the job out again.
            return (JobResult::NotYours, answer);
        };
        match self.take(&job.job_id, &details.nonce, &token).await {
            (Verdict::Yours, _) => {}
            (Verdict::NotYours, answer) => return (JobResult::NotYours, answer),
            (Verdict::Unknown, answer) => return (JobResult::Unknown, answer),
        }
        let artifacts = Artifacts {
            gateway: self.gateway.clone(),
            job_id: job.job_id.clone(),
            client_token: token.clone(),
            data: details.data.unwrap_or_default(),
        };
        match run(artifacts).await {
            Ok(done) => {
                let put = || self.gateway.succeed(&job.job_id, &token, done.clone());
                report(JobResult::Success, put).await
            }
            Err(failure) => {
                let put = || self.gateway.fail(&job.job_id, &token, failure.clone());
                report(JobResult::Failure, put).await
            }
        }
    }

    /// Acknowledges a job. After an unknown outcome, one deliberate retry.
    async fn take(&self, job_id: &str, nonce: &str, token: &str) -> (Verdict, Answer) {
        let answer = self.gateway.acknowledge(job_id, nonce, token).await;
        if !answer.is_unknown() {
            return (answer.verdict(), answer);
        }
        let answer = self.gateway.acknowledge(job_id, nonce, token).await;
        // INVALID_NONCE: the nonce is used up, so the first call probably succeeded.
        let is_yours = answer.verdict() == Verdict::Yours || answer.reason == "INVALID_NONCE";
        (if is_yours { Verdict::Yours } else { Verdict::Unknown }, answer)
    }
}

/// Ends a job. After an unknown outcome, the same call again, and never the opposite result.
async fn report<F: Future<Output = Answer>>(result: JobResult, put: impl Fn() -> F) -> (JobResult, Answer) {
    let mut otherwise = JobResult::NotRecorded;
    let mut calls = 0;
    loop {
        calls += 1;
        let answer = put().await;
        let ended = otherwise == JobResult::Unknown && answer.reason == "INVALID_JOB_STATE";
        // The job has ended: an earlier call probably ended it.
        if answer.is_ok() || ended {
            return (result, answer);
        }
        if answer.is_unknown() {
            otherwise = JobResult::Unknown;
        }
        if !(answer.is_unknown() || answer.nothing_happened()) || calls == RESULT_CALLS {
            return (otherwise, answer);
        }
        sleep(Duration::from_millis(100 << calls)).await;
    }
}

/// An error or a panic of the worker's own code is a failure of the job. An error of a call isn't.
async fn run(artifacts: Artifacts) -> Result<ExecutionDetails, FailureDetails> {
    // In a task of its own, whose panic doesn't end the worker.
    let error = match tokio::spawn(work(artifacts)).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error,
        Err(panicked) => panicked.into(),
    };
    let (kind, message) = if let Some(failed) = error.downcast_ref::<JobFailed>() {
        (failed.kind, failed.message.to_owned())
    } else if let Some(failed) = error.downcast_ref::<ArtifactError>() {
        (failed.kind, failed.to_string())
    } else {
        eprintln!("the work failed: {error}");
        // An error's text can contain secrets of the configuration, and people see the message.
        (FailureType::JobFailed, "The worker's code failed. See its log.".to_owned())
    };
    Err(FailureDetails { r#type: kind.into(), message, ..Default::default() })
}
