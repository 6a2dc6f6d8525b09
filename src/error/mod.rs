//! A failed call: why (`Reason`), what is known about it at AWS (`Outcome`), and AWS's response.
//! `status` converts it into the gRPC status that leaves the gateway. Nothing else in the crate
//! builds a status.

mod outcome;
mod reason;
mod status;
mod table;

use std::borrow::Cow;
use std::time::Duration;

pub use outcome::{Outcome, Outcomes};
pub use status::CallFacts;
pub(crate) use status::{has_details, into_response};
pub use table::Reason;

use crate::methods::Method;

/// A field of the request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the proto file.
    pub field: &'static str,
    /// What is wrong with the field, to be read after its name. Never the value.
    pub description: String,
}

/// The part of AWS's last response that a caller can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsResponse {
    /// AWS's error code, such as `JobNotFoundException`.
    pub error_code: Option<String>,
    /// AWS's id of the call.
    pub request_id: Option<String>,
    /// The HTTP status.
    pub http_status: Option<u16>,
}

/// Why a call failed, and what is known about it. `AwsResponse` is empty if AWS didn't respond.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The row of the table.
    pub reason: Reason,
    /// Whether the call might have had its effect at AWS.
    pub outcome: Outcome,
    /// AWS's response.
    pub aws: AwsResponse,
    /// How long AWS asks the caller to wait.
    pub retry_after: Option<Duration>,
    /// The request's fields that break a rule of the gateway or of AWS.
    pub violations: Vec<Violation>,
    /// The error message of AWS or of the network, with secrets redacted. For the log, never for a
    /// caller.
    pub log_text: Option<String>,
    /// A message that says more than the reason's own. It never contains a text from outside.
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

    /// AWS rejected the values of these fields, or didn't name a field.
    #[must_use]
    pub fn value_rejected(violations: Vec<Violation>) -> Self {
        let failure = Self::new(Reason::ValidationFailed, Outcome::Rejected);
        if violations.is_empty() {
            return failure;
        }
        let list: Vec<&str> = violations.iter().map(|v| v.field).collect();
        let message = format!(
            "AWS rejected {}. Nothing changed. Correct the value before you retry.",
            list.join(" and ")
        );
        Self { violations, ..failure.with_message(message) }
    }

    /// Says more than the reason's own message. Never pass a text from outside.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.custom_message = Some(message.into());
        self
    }

    /// One sentence for a person who called this method.
    #[must_use]
    pub fn message(&self, method: &Method) -> Cow<'_, str> {
        match &self.custom_message {
            Some(custom) => Cow::Borrowed(custom),
            None => Cow::Owned(self.reason.message(self.outcome, method)),
        }
    }

    /// The gRPC code for a call of this method.
    #[must_use]
    pub fn code(&self, method: &Method) -> tonic::Code {
        self.reason.code(self.outcome, method)
    }
}
