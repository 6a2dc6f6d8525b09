//! An AWS error that CodePipeline itself returns.

/// A code and a message. AWS's JSON services return HTTP 400 for every client error, including
/// authentication errors.
#[derive(Debug)]
pub(crate) struct AwsError {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl AwsError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A request in another protocol than awsJson1.1.
    pub(crate) fn unsupported_protocol(protocol: &str) -> Self {
        let text = format!(
            "The simulator supports awsJson1.1 only: POST / with Content-Type application/x-amz-json-1.1 \
             and X-Amz-Target CodePipeline_20150709.<operation>. This request uses {protocol}."
        );
        Self::new("UnknownOperationException", text)
    }

    /// The body isn't JSON, or a member has the wrong type.
    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// All violations of the model in one error, as AWS reports them.
    pub(super) fn validation(violations: &[String]) -> Self {
        let count = violations.len();
        let errors = if count == 1 { "error" } else { "errors" };
        let text = format!("{count} validation {errors} detected: {}", violations.join("; "));
        Self::new("ValidationException", text)
    }
}
