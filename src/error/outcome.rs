//! What is known about a failed call at AWS.

/// What is known about a failed call at AWS: the one question that the caller of a call that isn't
/// idempotent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request provably never reached AWS.
    NotSent,
    /// AWS rejected the request. Nothing happened.
    Rejected,
    /// The call might have had its effect.
    Unknown,
}

impl Outcome {
    /// The value of the `outcome` key in `ErrorInfo.metadata`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

/// Which outcomes a reason can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// Always this one.
    Always(Outcome),
    /// The outcome that was observed when the call ended. The message says which.
    Observed,
}
