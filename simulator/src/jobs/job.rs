//! A third-party job.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::action::{ActionType, Artifact, EncryptionKey, PipelineContext, is_default, non_empty};
use super::status;
use crate::faults::{Fault, PlannedFault};
use crate::operations::name::OperationName;

/// The client id of jobs that don't name one. It has the form of AWS's client ids.
const FAKE_CLIENT_ID: &str = "fa4efa4e-c11e-4000-8000-fa4efa4efa4e";

/// A third-party job.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's id.
    #[serde(deserialize_with = "non_empty")]
    pub id: String,
    /// The nonce that an acknowledge must contain.
    #[serde(deserialize_with = "non_empty")]
    pub nonce: String,
    /// The client token that every call for the job must contain.
    #[serde(deserialize_with = "non_empty")]
    pub client_token: String,
    /// The client id, by which a worker finds the client token.
    #[serde(
        default = "fake_client_id",
        deserialize_with = "non_empty",
        skip_serializing_if = "is_fake_client_id"
    )]
    pub client_id: String,
    /// The status, which can be any text. Only a `Dispatched` job can be acknowledged.
    #[serde(default = "dispatched", deserialize_with = "non_empty")]
    pub status: String,
    /// The status in the response to an acknowledge, if it differs from the job's status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub answer_status: AnswerStatus,
    /// The action type.
    #[serde(default, skip_serializing_if = "is_default")]
    pub action_type: ActionType,
    /// The configuration of the action, secret values included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
    /// The place of the action in its pipeline.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pipeline_context: PipelineContext,
    /// The input artifacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_artifacts: Vec<Artifact>,
    /// The output artifacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_artifacts: Vec<Artifact>,
    /// Whether the job's details contain credentials for the artifacts' bucket.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub artifact_credentials: bool,
    /// The key that encrypts the artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<EncryptionKey>,
    /// The token that an earlier job of the same action continued with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
    /// The time after the acknowledge at which the job becomes `TimedOut`. Without it, the job
    /// waits forever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// The faults of the next calls for this job, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedFault>,
}

impl Job {
    /// A `Dispatched` job without faults.
    #[must_use]
    pub fn new(id: impl Into<String>, nonce: impl Into<String>, client_token: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            nonce: nonce.into(),
            client_token: client_token.into(),
            client_id: fake_client_id(),
            status: dispatched(),
            answer_status: AnswerStatus::True,
            action_type: ActionType::default(),
            configuration: BTreeMap::new(),
            pipeline_context: PipelineContext::default(),
            input_artifacts: Vec::new(),
            output_artifacts: Vec::new(),
            artifact_credentials: true,
            encryption_key: None,
            continuation_token: None,
            timeout_seconds: None,
            faults: Vec::new(),
        }
    }

    /// A `Queued` job without faults, which waits for a poll.
    #[must_use]
    pub fn queued(id: impl Into<String>, nonce: impl Into<String>, client_token: impl Into<String>) -> Self {
        Self::new(id, nonce, client_token).with_status(status::QUEUED)
    }

    /// The same job with another status.
    #[must_use]
    pub fn with_status(self, status: impl Into<String>) -> Self {
        Self { status: status.into(), ..self }
    }

    /// The same job with another status in the response to an acknowledge.
    #[must_use]
    pub fn with_answer_status(self, answer_status: AnswerStatus) -> Self {
        Self { answer_status, ..self }
    }

    /// The same job with another action type.
    #[must_use]
    pub fn with_action_type(self, action_type: ActionType) -> Self {
        Self { action_type, ..self }
    }

    /// The same job with an additional configuration value.
    #[must_use]
    pub fn with_configuration(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configuration.insert(key.into(), value.into());
        self
    }

    /// The same job with an additional fault for this many calls.
    #[must_use]
    pub fn with_fault(mut self, times: u32, fault: Fault) -> Self {
        self.faults.push(PlannedFault { fault, times, operation: None });
        self
    }

    /// The same job with an additional fault for this many calls of one operation.
    #[must_use]
    pub fn with_operation_fault(mut self, operation: OperationName, times: u32, fault: Fault) -> Self {
        self.faults.push(PlannedFault { fault, times, operation: Some(operation) });
        self
    }
}

/// The secrets are fake here, but tests also print jobs with values from real systems.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("status", &self.status)
            .field("answer_status", &self.answer_status)
            .field("action_type", &self.action_type)
            .field("faults", &self.faults)
            // Nonce, tokens, and configuration are secret.
            .finish_non_exhaustive()
    }
}

/// The status in the response to an acknowledge. JSON leaves it out, or has `null`, or has a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AnswerStatus {
    /// The job's status.
    #[default]
    True,
    /// The response has no status.
    Omitted,
    /// This text, regardless of the job's status.
    Raw(String),
}

impl Serialize for AnswerStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::True | Self::Omitted => serializer.serialize_none(),
            Self::Raw(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for AnswerStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or(Self::Omitted, Self::Raw))
    }
}

fn dispatched() -> String {
    status::DISPATCHED.to_owned()
}

fn fake_client_id() -> String {
    FAKE_CLIENT_ID.to_owned()
}

fn is_fake_client_id(id: &str) -> bool {
    id == FAKE_CLIENT_ID
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}
