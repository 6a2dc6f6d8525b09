//! The action that a job belongs to: its type, its place in a pipeline, and its artifacts.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An action type. Workers poll for the jobs of one action type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionType {
    /// The category, such as `Test`.
    pub category: String,
    /// The owner: `ThirdParty` for the jobs of this API.
    pub owner: String,
    /// The provider.
    pub provider: String,
    /// The version.
    pub version: String,
}

impl ActionType {
    /// A `ThirdParty` action type.
    #[must_use]
    pub fn third_party(
        category: impl Into<String>,
        provider: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        let (category, provider, version) = (category.into(), provider.into(), version.into());
        Self { category, owner: "ThirdParty".to_owned(), provider, version }
    }
}

impl Default for ActionType {
    /// `Test`, `ThirdParty`, `FakeProvider`, `1`.
    fn default() -> Self {
        Self::third_party("Test", "FakeProvider", "1")
    }
}

/// The place of an action in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineContext {
    /// The name of the pipeline.
    pub pipeline_name: String,
    /// The name of the stage.
    pub stage_name: String,
    /// The name of the action.
    pub action_name: String,
    /// The id of this execution of the action. It stays the same in all jobs of one execution.
    pub action_execution_id: String,
}

impl Default for PipelineContext {
    /// Fake names and a fake id.
    fn default() -> Self {
        Self {
            pipeline_name: "fake-pipeline".to_owned(),
            stage_name: "fake-stage".to_owned(),
            action_name: "fake-action".to_owned(),
            action_execution_id: "fa4efa4e-0000-4000-8000-fa4efa4efa4e".to_owned(),
        }
    }
}

/// An artifact and its location in S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The name of the artifact.
    pub name: String,
    /// The revision, which output artifacts don't have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The bucket.
    pub bucket_name: String,
    /// The key of the object in the bucket.
    pub object_key: String,
    /// The content of an input artifact that no job uploaded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub content: ArtifactContent,
}

impl Artifact {
    /// An artifact without a revision.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        bucket_name: impl Into<String>,
        object_key: impl Into<String>,
    ) -> Self {
        let (name, bucket_name, object_key) = (name.into(), bucket_name.into(), object_key.into());
        Self { name, revision: None, bucket_name, object_key, content: ArtifactContent::Default }
    }
}

/// The content of an artifact. JSON leaves it out, or has `null`, or has a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ArtifactContent {
    /// A short text with the artifact's name.
    #[default]
    Default,
    /// There is no object.
    Missing,
    /// This text.
    Text(String),
}

impl Serialize for ArtifactContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default | Self::Missing => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for ArtifactContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or(Self::Missing, Self::Text))
    }
}

/// The key that encrypts the artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionKey {
    /// The key's id, its ARN, or the ARN of its alias.
    pub id: String,
    /// The type. AWS has one type, `KMS`.
    #[serde(rename = "type", default = "kms")]
    pub kind: String,
}

impl EncryptionKey {
    /// A KMS key.
    #[must_use]
    pub fn kms(id: impl Into<String>) -> Self {
        Self { id: id.into(), kind: kms() }
    }
}

fn kms() -> String {
    "KMS".to_owned()
}

pub(super) fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(D::Error::custom("a job's values must not be empty")) } else { Ok(text) }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
