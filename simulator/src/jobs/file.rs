//! The job file.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::action::ActionType;
use super::job::Job;
use crate::config::{Config, RedispatchNonce, SecondAcknowledge};

/// A job file. `PUT /_simulator/jobs` accepts the same JSON.
///
/// A setting that the file doesn't contain keeps its current value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// The jobs. Every id is unique.
    #[serde(deserialize_with = "distinct_jobs")]
    pub jobs: Vec<Job>,
    /// See [`Config::second_acknowledge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_acknowledge: Option<SecondAcknowledge>,
    /// See [`Config::redispatch_after`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redispatch_after_seconds: Option<u32>,
    /// See [`Config::redispatch_nonce`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redispatch_nonce: Option<RedispatchNonce>,
    /// See [`Config::action_types`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_types: Option<Vec<ActionType>>,
}

impl JobFile {
    /// Copies the file's settings to a configuration.
    pub fn apply_to(&self, config: &mut Config) {
        config.second_acknowledge = self.second_acknowledge.unwrap_or(config.second_acknowledge);
        config.redispatch_nonce = self.redispatch_nonce.unwrap_or(config.redispatch_nonce);
        if let Some(seconds) = self.redispatch_after_seconds {
            config.redispatch_after = Duration::from_secs(seconds.into());
        }
        if let Some(action_types) = &self.action_types {
            config.action_types.clone_from(action_types);
        }
    }
}

/// An invalid job file: one sentence with the line and column.
#[derive(Debug, thiserror::Error)]
#[error("the job file isn't valid: {0}")]
pub struct JobFileError(#[from] serde_json::Error);

/// Reads a job file.
///
/// # Errors
///
/// If the text isn't JSON, or if it has an unknown or missing key, an empty value, or an id twice.
pub fn from_json(text: &str) -> Result<JobFile, JobFileError> {
    Ok(serde_json::from_str(text)?)
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
