//! The names of the operations, as `X-Amz-Target` and the simulator's own JSON spell them.

use serde::{Deserialize, Serialize};

/// An operation of CodePipeline's third-party job API that the simulator supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationName {
    /// A worker takes a job.
    AcknowledgeThirdPartyJob,
}

impl OperationName {
    /// Every operation.
    pub const ALL: [Self; 1] = [Self::AcknowledgeThirdPartyJob];

    /// AWS's name of the operation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcknowledgeThirdPartyJob => "AcknowledgeThirdPartyJob",
        }
    }

    /// The operation with this name, if the simulator supports it.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}
