//! AcknowledgeThirdPartyJob in the SDK.

use aws_sdk_codepipeline::operation::acknowledge_third_party_job::{
    AcknowledgeThirdPartyJob, AcknowledgeThirdPartyJobInput, AcknowledgeThirdPartyJobOutput,
};
use aws_smithy_types::error::operation::BuildError;

use super::{AwsOperation, Fields};
use crate::operations::{Acknowledge, Acknowledged};

impl AwsOperation for Acknowledge {
    type Sdk = AcknowledgeThirdPartyJob;
    type SdkInput = AcknowledgeThirdPartyJobInput;
    type SdkOutput = AcknowledgeThirdPartyJobOutput;

    const FIELDS: Fields = &[("jobId", "job_id"), ("nonce", "nonce"), ("clientToken", "client_token")];

    const LOGS_AWS_MESSAGES: bool = true;

    fn input(&self) -> Result<Self::SdkInput, BuildError> {
        AcknowledgeThirdPartyJobInput::builder()
            .job_id(self.job_id.as_str())
            .nonce(self.nonce.expose())
            .client_token(self.client_token.expose())
            .build()
    }

    fn output(output: Self::SdkOutput) -> Acknowledged {
        Acknowledged { aws_status: output.status().map(|status| status.as_str().to_owned()) }
    }

    fn secrets(&self) -> Vec<&str> {
        vec![self.nonce.expose(), self.client_token.expose()]
    }
}

#[cfg(test)]
mod tests {
    use super::super::aws_operation::tests::assert_secrets_are_redacted;
    use super::*;
    use crate::proto::AcknowledgeThirdPartyJobRequest;

    #[test]
    fn secrets_are_redacted() {
        assert_secrets_are_redacted::<Acknowledge>(AcknowledgeThirdPartyJobRequest {
            job_id: "job_id".into(),
            nonce: "nonce".into(),
            client_token: "client_token".into(),
        });
    }
}
