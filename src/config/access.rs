//! The flags for what the gateway offers: its operations, their action types, and the artifact
//! credentials.

use clap::Args;
use codepipeline_gateway::gateway::Settings;
use codepipeline_gateway::methods::Method;
use codepipeline_gateway::operations::{ActionTypes, ArtifactCredentials, OperationSet, Pattern, Policy};

/// What the gateway offers to all callers.
#[derive(Args, Clone, Debug)]
pub(crate) struct AccessArgs {
    /// Operations to offer, comma-separated or repeated: poll, details, acknowledge, success,
    /// failure [default: all]
    #[arg(long, env = "GATEWAY_OPERATIONS", value_name = "NAMES", value_delimiter = ',')]
    #[arg(value_parser = operation)]
    operations: Vec<&'static Method>,
    /// Action types that PollForThirdPartyJobs and GetThirdPartyJobDetails can use, comma-separated
    /// or repeated: Category/Owner/Provider/Version, with a * for a whole part [default: any]
    #[arg(long, env = "GATEWAY_ACTION_TYPES", value_name = "TYPES", value_delimiter = ',')]
    action_types: Vec<Pattern>,
    /// Whether job details include the AWS credentials for the job's artifacts
    #[arg(long, env = "GATEWAY_ARTIFACT_CREDENTIALS", value_name = "MODE", default_value = "withhold")]
    artifact_credentials: ArtifactCredentials,
}

impl AccessArgs {
    /// Writes the flags into the settings.
    pub(crate) fn apply_to(self, settings: &mut Settings) {
        if !self.operations.is_empty() {
            settings.operations = OperationSet::new(self.operations);
        }
        settings.policy = Policy {
            action_types: ActionTypes::new(self.action_types),
            artifact_credentials: self.artifact_credentials,
        };
    }
}

fn operation(name: &str) -> Result<&'static Method, String> {
    OperationSet::find(name).ok_or_else(|| format!("use one or more of {}", OperationSet::all()))
}
