//! How a call ended, for its log line.

use crate::error::{AwsResponse, Failure, Outcome, Reason};

/// How a call ended, for its log line.
#[derive(Debug, Default)]
pub struct End {
    /// Why it failed, and what is known about it; none for a success.
    pub failure: Option<(Reason, Outcome)>,
    /// The request's fields that break a rule of the gateway or of AWS.
    pub invalid_fields: Vec<&'static str>,
    /// AWS's response.
    pub aws: AwsResponse,
    /// The error message of AWS or of the network, with secrets redacted.
    pub log_text: Option<String>,
}

impl From<&Failure> for End {
    fn from(failure: &Failure) -> Self {
        Self {
            failure: Some((failure.reason, failure.outcome)),
            invalid_fields: failure.violations.iter().map(|violation| violation.field).collect(),
            aws: failure.aws.clone(),
            log_text: failure.log_text.clone(),
        }
    }
}
