//! What a reason means for a caller: its name, gRPC code, and message.

use tonic::Code;

use super::outcome::{Outcome, Outcomes};
use super::table::{Reason, Row};
use crate::methods::{Idempotency, Method};

impl Reason {
    /// The stable name, in `UPPER_SNAKE_CASE` (AIP-193).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The gRPC code of a failure with this outcome.
    ///
    /// Service meshes and client libraries retry UNAVAILABLE by themselves. So an unknown outcome
    /// never has that code, unless a second call of the method does no harm.
    #[must_use]
    pub fn code(self, outcome: Outcome, method: &Method) -> Code {
        let code = self.row().code;
        let harmful = outcome == Outcome::Unknown && method.idempotency == Idempotency::None;
        match code {
            _ if self.is_harmless(method) => Code::Unavailable,
            Code::Unavailable if harmful => Code::Unknown,
            _ => code,
        }
    }

    /// Whether the outcome is always unknown, and a second call of the method does no harm.
    fn is_harmless(self, method: &Method) -> bool {
        self.outcomes() == Outcomes::Always(Outcome::Unknown) && method.idempotency != Idempotency::None
    }

    /// Which outcomes it can have.
    #[must_use]
    pub const fn outcomes(self) -> Outcomes {
        self.row().outcomes
    }

    /// Whether waiting helps. The error then says how long (`RetryInfo`).
    #[must_use]
    pub fn has_retry_info(self, method: &Method) -> bool {
        self.row().retry_info || self.is_harmless(method)
    }

    /// The operations whose calls can have it; none for errors of other methods.
    #[must_use]
    pub fn methods(self) -> &'static [&'static Method] {
        self.row().methods
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

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 3] = [Outcome::NotSent, Outcome::Rejected, Outcome::Unknown];

    #[test]
    fn a_call_that_must_not_be_repeated_has_no_code_that_is() {
        for (reason, method) in Reason::ALL.iter().flat_map(|r| Method::operations().map(move |m| (r, m))) {
            let possible =
                [Outcomes::Always(Outcome::Unknown), Outcomes::Observed].contains(&reason.outcomes());
            let code = reason.code(Outcome::Unknown, method);
            let repeated = matches!(code, Code::Unavailable | Code::ResourceExhausted);
            let harmful = method.idempotency == Idempotency::None;
            assert!(!(possible && repeated && harmful), "{reason:?} {}", method.name);
            // RetryInfo and a code that isn't retried would contradict each other.
            let waits = reason.has_retry_info(method);
            let lasting = reason.code(Outcome::Rejected, method);
            let retried = matches!(lasting, Code::Unavailable | Code::ResourceExhausted);
            assert!(!waits || retried, "{reason:?} {}", method.name);
        }
    }

    #[test]
    fn messages_are_short_plain_and_complete() {
        for (reason, method) in Reason::ALL.iter().flat_map(|r| Method::operations().map(move |m| (r, m))) {
            for outcome in OUTCOMES {
                let message = reason.message(outcome, method);
                assert!(message.is_ascii() && message.len() <= 300, "{} {message}", message.len());
                assert!(message.ends_with('.') && !message.contains(['{', '}']), "{message}");
            }
        }
    }
}
