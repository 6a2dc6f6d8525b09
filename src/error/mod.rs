//! A failed call: why (`Reason`), what is known of it at AWS (`Outcome`), and what AWS said. `status` turns it into
//! the gRPC status that leaves the gateway; nothing else in the crate builds one.

mod reason;
mod status;

use std::borrow::Cow;
use std::time::Duration;

pub use reason::{Outcome, Outcomes, Reason};
pub(crate) use status::{has_details, into_response};

/// A field of the request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the proto.
    pub field: &'static str,
    /// What is wrong with it, to be read after the field's name. Never the value.
    pub description: String,
}

/// What AWS's last answer said, as far as it may be told to a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsResponse {
    /// AWS's error code, such as `JobNotFoundException`.
    pub error_code: Option<String>,
    /// AWS's id of the call.
    pub request_id: Option<String>,
    /// The HTTP status.
    pub http_status: Option<u16>,
}

/// Why a call failed and what is known of it. `AwsResponse` is empty where AWS said nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The row of the table.
    pub reason: Reason,
    /// Whether it may have happened.
    pub outcome: Outcome,
    /// What AWS said.
    pub aws: AwsResponse,
    /// AWS's own hint how long to wait.
    pub retry_after: Option<Duration>,
    /// The request's fields that break a rule, ours or AWS's.
    pub violations: Vec<Violation>,
    /// What happened in the words of AWS or of the network, secrets masked. For the log, never for a caller.
    pub log_text: Option<String>,
    /// A sentence that tells a caller more than the reason's own. Of our own words, never of anything from outside.
    pub custom_message: Option<String>,
}

impl Failure {
    /// A failure with a given outcome.
    #[must_use]
    pub fn new(reason: Reason, outcome: Outcome) -> Self {
        Self {
            reason,
            outcome,
            aws: AwsResponse::default(),
            retry_after: None,
            violations: Vec::new(),
            log_text: None,
            custom_message: None,
        }
    }

    /// A failure before anything was sent.
    #[must_use]
    pub fn not_sent(reason: Reason) -> Self {
        Self::new(reason, Outcome::NotSent)
    }

    /// The request breaks these rules.
    #[must_use]
    pub fn invalid_request(violations: Vec<Violation>) -> Self {
        let list: Vec<String> = violations.iter().map(|v| format!("{} {}", v.field, v.description)).collect();
        let message = format!("The request is invalid: {}.", list.join(", "));
        Self { violations, ..Self::not_sent(Reason::InvalidRequest).with_message(message) }
    }

    /// AWS refused the values of these fields, or didn't say which.
    #[must_use]
    pub fn value_refused(violations: Vec<Violation>) -> Self {
        let failure = Self::new(Reason::ValidationFailed, Outcome::Rejected);
        if violations.is_empty() {
            return failure;
        }
        let list: Vec<&str> = violations.iter().map(|v| v.field).collect();
        let message =
            format!("AWS refused the value of {}; correct it before you call again.", list.join(" and "));
        Self { violations, ..failure.with_message(message) }
    }

    /// Tells more than the reason's own sentence. Never anything that came from outside.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.custom_message = Some(message.into());
        self
    }

    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        match &self.custom_message {
            Some(own) => Cow::Borrowed(own),
            None => self.reason.message(self.outcome),
        }
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> tonic::Code {
        self.reason.code(self.outcome)
    }
}
