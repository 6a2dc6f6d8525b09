//! The history of a job: how often a poll returned it, a worker took it, and a worker ended it.

use serde::Serialize;
use serde_json::Number;

/// The history of a job. It counts accepted calls, including those whose response a fault withheld.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobLedger {
    /// How often a poll returned the job.
    pub dispatched: usize,
    /// How often the job was acknowledged.
    pub acknowledged: usize,
    /// The results that ended the job.
    pub results: Vec<JobResult>,
}

/// A result that ended a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// A success.
    Success {
        /// The revision of the artifact.
        #[serde(skip_serializing_if = "Option::is_none")]
        current_revision: Option<CurrentRevision>,
        /// The details of the execution.
        #[serde(skip_serializing_if = "Option::is_none")]
        execution_details: Option<ExecutionDetails>,
        /// The job that continues the action, if the result had a continuation token. The token
        /// itself is secret and part of that job.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_job_id: Option<String>,
    },
    /// A failure.
    Failure(FailureDetails),
}

impl JobResult {
    /// The id of the execution in the worker's own system.
    #[must_use]
    pub fn external_execution_id(&self) -> Option<&str> {
        match self {
            Self::Success { execution_details, .. } => {
                execution_details.as_ref()?.external_execution_id.as_deref()
            }
            Self::Failure(details) => details.external_execution_id.as_deref(),
        }
    }
}

/// The revision in a success.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CurrentRevision {
    /// The revision's id.
    pub revision: String,
    /// The change identifier.
    pub change_identifier: String,
    /// The time of creation in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Number>,
    /// The summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_summary: Option<String>,
}

/// The execution details in a success.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ExecutionDetails {
    /// The summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The id in the worker's own system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_execution_id: Option<String>,
    /// The completed part of the work in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_complete: Option<i32>,
}

/// The details of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FailureDetails {
    /// The type, such as `JobFailed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message.
    pub message: String,
    /// The id in the worker's own system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_execution_id: Option<String>,
}
