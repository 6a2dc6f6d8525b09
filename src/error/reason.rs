//! What a reason means for a caller: its name, gRPC code, and message.

use tonic::Code;

use super::outcome::{Outcome, Outcomes};
use super::table::{Reason, Row};
use crate::methods::Method;

impl Reason {
    /// The stable name, in `UPPER_SNAKE_CASE` (AIP-193).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The gRPC code of a failure with this outcome.
    #[must_use]
    pub const fn code(self, outcome: Outcome) -> Code {
        // Service meshes retry UNAVAILABLE by themselves, so an unknown outcome must never have that code.
        match (self.row().code, outcome) {
            (Code::Unavailable, Outcome::Unknown) => Code::Unknown,
            (code, _) => code,
        }
    }

    /// Which outcomes it can have.
    #[must_use]
    pub const fn outcomes(self) -> Outcomes {
        self.row().outcomes
    }

    /// Whether waiting helps. The error then says how long (`RetryInfo`).
    #[must_use]
    pub const fn has_retry_info(self) -> bool {
        self.row().retry_info
    }

    /// The message for a person who called this method: what happened, and what to do.
    #[must_use]
    pub fn message(self, outcome: Outcome, method: &Method) -> String {
        let Row { message, .. } = self.row();
        let outcome = match outcome {
            Outcome::NotSent => "Nothing was sent to AWS.",
            Outcome::Rejected => "AWS rejected the request; nothing changed.",
            Outcome::Unknown => method.if_unknown,
        };
        message
            .replace("{unknown}", method.if_unknown)
            .replace("{outcome}", outcome)
            .replace("{iam_action}", method.iam_action)
    }

    /// What leads to this reason, for the documentation.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().meaning.trim_ascii()
    }
}
