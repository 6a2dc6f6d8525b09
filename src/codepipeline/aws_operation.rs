//! Describes an operation's AWS side.

use std::fmt::Debug;
use std::time::SystemTime;

use aws_sdk_codepipeline::operation::RequestId;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;

use crate::artifacts::Presigner;
use crate::operations::Operation;

/// The names of fields: at AWS, and in the proto file.
pub type Fields = &'static [(&'static str, &'static str)];

/// The AWS side of an operation: its types in the SDK, and how they map to the gateway's own.
pub trait AwsOperation: Operation {
    /// The SDK's operation. Its configuration has the serializer, the deserializer, and the signing
    /// options.
    type Sdk: RuntimePlugin + Default;
    /// The SDK's input.
    type SdkInput: Debug + Send + Sync + 'static;
    /// The SDK's output.
    type SdkOutput: RequestId + Debug + Send + Sync + 'static;

    /// The names of its input fields at AWS and in the proto file, to translate AWS's validation
    /// errors.
    const FIELDS: Fields;

    /// The longest response that is read, in bytes. The SDK itself would read without a limit.
    const MAX_RESPONSE: usize = 64 * 1024;

    /// Whether the log has AWS's own error messages, redacted. Not for operations whose responses
    /// have secrets, or whose requests have long texts of the caller: AWS's messages repeat what
    /// they were sent.
    const LOGS_AWS_MESSAGES: bool = false;

    /// The input for the SDK.
    ///
    /// # Errors
    /// The SDK misses a field, which a valid request has.
    fn input(&self) -> Result<Self::SdkInput, aws_smithy_types::error::operation::BuildError>;

    /// What AWS returned.
    fn output(output: Self::SdkOutput) -> Self::Output;

    /// Adds to AWS's response what the gateway computes from it. `now` is the time by AWS's clock,
    /// if the response has a date.
    #[must_use]
    fn complete(_: &mut Self::Output, _: &Presigner, _now: SystemTime) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The request's secrets, which AWS's error messages can repeat.
    fn secrets(&self) -> Vec<&str>;
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::proto::SECRET_FIELDS;

    /// Checks that the redacted texts are those of the request's secret fields. Each field of the
    /// request has its own name as its value.
    pub(in crate::codepipeline) fn assert_secrets_are_redacted<O: AwsOperation>(request: O::Request) {
        let operation = O::parse(request).unwrap();
        let message = format!("{}Request", O::METHOD.name);
        let secret: Vec<&str> =
            SECRET_FIELDS.iter().filter(|(of, _)| *of == message).map(|(_, field)| *field).collect();
        assert_eq!(operation.secrets(), secret);
    }
}
