//! Jobs and the job file.

pub(crate) mod action;
mod file;
mod job;
pub(crate) mod status;

pub use self::action::{ActionType, Artifact, ArtifactContent, EncryptionKey, PipelineContext};
pub use self::file::{JobFile, JobFileError, from_json};
pub use self::job::{AnswerStatus, Job};
