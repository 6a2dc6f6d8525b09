//! What the gateway's operator allows for all callers.

use super::action_type::{ActionType, ActionTypes};
use crate::error::{Failure, Outcome, Reason};

/// The operator's rules for requests and responses.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The action types that callers can poll and read.
    pub action_types: ActionTypes,
    /// Whether a job's details include the AWS credentials for its artifacts.
    pub artifact_credentials: ArtifactCredentials,
}

/// Whether callers get the AWS credentials for a job's artifacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ArtifactCredentials {
    /// The gateway removes the credentials from its responses
    #[default]
    Withhold,
    /// Callers receive the credentials
    Include,
}

impl Policy {
    /// # Errors
    /// `ACTION_TYPE_NOT_ALLOWED` with this outcome.
    pub(super) fn check(&self, action_type: Option<&ActionType>, outcome: Outcome) -> Result<(), Failure> {
        if self.action_types.allows(action_type) {
            Ok(())
        } else {
            Err(Failure::new(Reason::ActionTypeNotAllowed, outcome))
        }
    }
}
