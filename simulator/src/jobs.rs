//! Jobs and the job file.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::SecondAcknowledge;
use crate::faults::Fault;

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
    /// The status, which can be any text. Only a `Dispatched` job can be acknowledged.
    #[serde(default = "dispatched", deserialize_with = "non_empty")]
    pub status: String,
    /// The status in the response to an acknowledge, if it differs from the job's status.
    #[serde(default, skip_serializing_if = "AnswerStatus::is_true")]
    pub answer_status: AnswerStatus,
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
            status: dispatched(),
            answer_status: AnswerStatus::True,
            faults: Vec::new(),
        }
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

    /// The same job with an additional fault for this many calls.
    #[must_use]
    pub fn with_fault(mut self, times: u32, fault: Fault) -> Self {
        self.faults.push(PlannedFault { fault, times });
        self
    }
}

/// Nonce and token are fake here, but tests also print jobs with values from real systems.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("nonce", &"(redacted)")
            .field("client_token", &"(redacted)")
            .field("status", &self.status)
            .field("answer_status", &self.answer_status)
            .field("faults", &self.faults)
            .finish()
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

impl AnswerStatus {
    fn is_true(&self) -> bool {
        *self == Self::True
    }
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

/// A fault and its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The fault.
    pub fault: Fault,
    /// The number of calls to which it applies. The default is 1.
    #[serde(default = "once", deserialize_with = "at_least_once")]
    pub times: u32,
}

/// A job file. `PUT /_simulator/jobs` accepts the same JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// The jobs. Every id is unique.
    #[serde(deserialize_with = "distinct_jobs")]
    pub jobs: Vec<Job>,
    /// The response to a second acknowledge. Without this member, the current setting stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_acknowledge: Option<SecondAcknowledge>,
}

/// An invalid job file: one sentence with the line and column.
#[derive(Debug, thiserror::Error)]
#[error("the job file is not valid: {0}")]
pub struct JobFileError(#[from] serde_json::Error);

/// Reads a job file.
///
/// # Errors
///
/// If the text isn't JSON, or if it has an unknown or missing key, an empty value, or an id twice.
pub fn from_json(text: &str) -> Result<JobFile, JobFileError> {
    Ok(serde_json::from_str(text)?)
}

fn dispatched() -> String {
    "Dispatched".to_owned()
}

pub(crate) const fn once() -> u32 {
    1
}

pub(crate) fn at_least_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("`times` must be at least 1")),
        times => Ok(times),
    }
}

fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(D::Error::custom("a job's values must not be empty")) } else { Ok(text) }
}

/// Checks the ids during parsing, so that an error contains the line and column.
fn distinct_jobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Job>, D::Error> {
    struct Jobs;

    impl<'de> Visitor<'de> for Jobs {
        type Value = Vec<Job>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of jobs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Job>, A::Error> {
            let mut jobs = Vec::new();
            let mut ids = HashSet::new();
            while let Some(job) = list.next_element::<Job>()? {
                if !ids.insert(job.id.clone()) {
                    return Err(A::Error::custom(format_args!("two jobs have the id {:?}", job.id)));
                }
                jobs.push(job);
            }
            Ok(jobs)
        }
    }

    deserializer.deserialize_seq(Jobs)
}
