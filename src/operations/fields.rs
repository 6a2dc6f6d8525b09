//! Fields that several requests have, their limits, and the list of a request's violations.
//!
//! The limits are those of the AWS service model. Characters are Unicode scalar values, as Smithy's
//! `@length` trait counts them.

use secrecy::{ExposeSecret, SecretString};

use super::action_type::is_name_byte;
use crate::call::Subject;
use crate::error::{Failure, Violation};

/// The longest job id, in characters.
pub(super) const MAX_JOB_ID: usize = 512;
/// The longest nonce, in characters.
pub(super) const MAX_NONCE: usize = 50;
/// The longest client token, in characters.
pub(super) const MAX_CLIENT_TOKEN: usize = 256;
/// The longest id of an external execution, in characters.
pub(super) const MAX_EXECUTION_ID: usize = 1500;

/// The unique id of a third-party job: 1 to 512 characters. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobId(String);

impl JobId {
    /// The id of a request whose violations were checked.
    pub(super) fn new(checked: String) -> Self {
        Self(checked)
    }

    /// Records the job, if it can be a job id.
    pub(super) fn describe(text: &str, subject: &Subject) {
        if length_violation("job_id", text, MAX_JOB_ID).is_none() {
            subject.set_job_id(text);
        }
    }

    /// The id as the caller sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that no `Debug` output shows, and that is wiped when it is dropped.
#[derive(Clone, Debug)]
pub struct SecretText(SecretString);

impl SecretText {
    /// The text itself, for the request to AWS and for redaction.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The rules that a request breaks.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// The field must have 1 to `max` characters.
    pub(super) fn check_length(&mut self, field: &'static str, value: &str, max: usize) {
        self.0.extend(length_violation(field, value, max));
    }

    /// The field must have at most `max` characters. An empty text counts as missing.
    pub(super) fn check_optional(&mut self, field: &'static str, value: &str, max: usize) {
        if !value.is_empty() {
            self.check_length(field, value, max);
        }
    }

    /// The field must be a name of an action type, with 1 to `max` characters.
    pub(super) fn check_name(&mut self, field: &'static str, value: &str, max: usize) {
        match length_violation(field, value, max) {
            None if !value.bytes().all(is_name_byte) => {
                self.add(field, "must have only letters, digits, hyphens, and underscores");
            }
            violation => self.0.extend(violation),
        }
    }

    /// The field breaks a rule of its own.
    pub(super) fn add(&mut self, field: &'static str, description: &str) {
        self.0.push(Violation { field, description: description.to_owned() });
    }

    /// # Errors
    /// `INVALID_REQUEST`, if the request breaks a rule.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::invalid_request(self.0)) }
    }
}

/// A text that AWS takes only if it isn't empty.
pub(super) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn length_violation(field: &'static str, value: &str, max: usize) -> Option<Violation> {
    if value.is_empty() {
        return Some(Violation { field, description: "must not be empty".into() });
    }
    // A scalar value takes at most four bytes, so most texts need no counting. `nth` stops at the
    // limit.
    let too_long = value.len() > max && value.chars().nth(max).is_some();
    too_long.then(|| Violation { field, description: format!("must have at most {max} characters") })
}
