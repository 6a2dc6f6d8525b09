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
