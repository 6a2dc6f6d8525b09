//! Jobs, and the file that lists them.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::SecondAcknowledge;
use crate::faults::Fault;

/// A third-party job that the simulator holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's id, as a worker sends it.
    #[serde(deserialize_with = "non_empty")]
    pub id: String,
    /// The nonce that an acknowledge has to bring.
    #[serde(deserialize_with = "non_empty")]
    pub nonce: String,
    /// The client token that an acknowledge has to bring.
    #[serde(deserialize_with = "non_empty")]
    pub client_token: String,
    /// The status: CodePipeline's or any other text. Only a `Dispatched` job can be acknowledged.
    #[serde(default = "dispatched", deserialize_with = "non_empty")]
    pub status: String,
    /// What a successful answer says in place of the status.
    #[serde(default, skip_serializing_if = "AnswerStatus::is_true")]
    pub answer_status: AnswerStatus,
    /// What happens to this job's next calls, one after the other; then it behaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedFault>,
}

impl Job {
    /// A `Dispatched` job that behaves.
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

    /// The same job in another status.
    #[must_use]
    pub fn with_status(self, status: impl Into<String>) -> Self {
        Self { status: status.into(), ..self }
    }

    /// The same job, answering something else than its status.
    #[must_use]
    pub fn with_answer_status(self, answer_status: AnswerStatus) -> Self {
        Self { answer_status, ..self }
    }

    /// The same job with one more fault in its list.
    #[must_use]
    pub fn with_fault(mut self, times: u32, fault: Fault) -> Self {
        self.faults.push(PlannedFault { fault, times });
        self
    }
}

/// Nonce and token are fake here, but code that prints a job should be right for real ones too.
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

/// What a successful answer says about the status. In JSON: left out, `null`, or a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AnswerStatus {
    /// The job's true status.
    #[default]
    True,
    /// Nothing: the member is left out.
    Omitted,
    /// This text, whatever the job's status.
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

/// A fault and how often it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// What goes wrong.
    pub fault: Fault,
    /// For how many calls in a row; 1 unless told otherwise.
    #[serde(default = "once", deserialize_with = "at_least_once")]
    pub times: u32,
}

/// A job file: what `PUT /_simulator/jobs` takes too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// The jobs, each with an id of its own.
    #[serde(deserialize_with = "distinct_jobs")]
    pub jobs: Vec<Job>,
    /// What a second acknowledge is answered with; left out, what is in force stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_acknowledge: Option<SecondAcknowledge>,
}

/// A job file that can't be used: one sentence with the line and column.
#[derive(Debug, thiserror::Error)]
#[error("the job file is not valid: {0}")]
pub struct JobFileError(#[from] serde_json::Error);

/// Reads a job file.
///
/// # Errors
///
/// If it is not JSON, has an unknown or missing key, an empty value, or an id twice.
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

/// Checked while reading, so that the error knows its place in the file.
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
