//! The names of the operations, as `X-Amz-Target` and the simulator's own JSON spell them.

use serde::{Deserialize, Serialize};

/// An operation of CodePipeline's third-party job API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationName {
    /// A worker asks for jobs.
    PollForThirdPartyJobs,
    /// A worker reads a job.
    GetThirdPartyJobDetails,
    /// A worker takes a job.
    AcknowledgeThirdPartyJob,
    /// A worker ends a job with a success.
    PutThirdPartyJobSuccessResult,
    /// A worker ends a job with a failure.
    PutThirdPartyJobFailureResult,
}

impl OperationName {
    /// Every operation.
    pub const ALL: [Self; 5] = [
        Self::PollForThirdPartyJobs,
        Self::GetThirdPartyJobDetails,
        Self::AcknowledgeThirdPartyJob,
        Self::PutThirdPartyJobSuccessResult,
        Self::PutThirdPartyJobFailureResult,
    ];

    /// AWS's name of the operation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PollForThirdPartyJobs => "PollForThirdPartyJobs",
            Self::GetThirdPartyJobDetails => "GetThirdPartyJobDetails",
            Self::AcknowledgeThirdPartyJob => "AcknowledgeThirdPartyJob",
            Self::PutThirdPartyJobSuccessResult => "PutThirdPartyJobSuccessResult",
            Self::PutThirdPartyJobFailureResult => "PutThirdPartyJobFailureResult",
        }
    }

    /// The operation with this name, if the simulator supports it.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}
