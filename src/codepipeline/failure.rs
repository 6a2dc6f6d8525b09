//! PutThirdPartyJobFailureResult in the SDK.

use aws_sdk_codepipeline::operation::put_third_party_job_failure_result::{
    PutThirdPartyJobFailureResult, PutThirdPartyJobFailureResultInput, PutThirdPartyJobFailureResultOutput,
};
use aws_sdk_codepipeline::types;
use aws_smithy_types::error::operation::BuildError;

use super::{AwsOperation, Fields};
use crate::operations::{Failure, FailureKind};

impl AwsOperation for Failure {
    type Sdk = PutThirdPartyJobFailureResult;
    type SdkInput = PutThirdPartyJobFailureResultInput;
    type SdkOutput = PutThirdPartyJobFailureResultOutput;

    const FIELDS: Fields = &[
        ("jobId", "job_id"),
        ("clientToken", "client_token"),
        ("failureDetails.type", "failure_details.type"),
        ("failureDetails.message", "failure_details.message"),
        ("failureDetails.externalExecutionId", "failure_details.external_execution_id"),
    ];

    fn input(&self) -> Result<Self::SdkInput, BuildError> {
        let details = types::FailureDetails::builder()
            .r#type(failure_type(self.kind))
            .message(&self.message)
            .set_external_execution_id(self.external_execution_id.clone())
            .build()?;
        PutThirdPartyJobFailureResultInput::builder()
            .job_id(self.job_id.as_str())
            .client_token(self.client_token.expose())
            .failure_details(details)
            .build()
    }

    fn output(_: Self::SdkOutput) {}

    fn secrets(&self) -> Vec<&str> {
        vec![self.client_token.expose()]
    }
}

fn failure_type(kind: FailureKind) -> types::FailureType {
    match kind {
        FailureKind::JobFailed => types::FailureType::JobFailed,
        FailureKind::ConfigurationError => types::FailureType::ConfigurationError,
        FailureKind::PermissionError => types::FailureType::PermissionError,
        FailureKind::RevisionOutOfSync => types::FailureType::RevisionOutOfSync,
        FailureKind::RevisionUnavailable => types::FailureType::RevisionUnavailable,
        FailureKind::SystemUnavailable => types::FailureType::SystemUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::aws_operation::tests::assert_secrets_are_redacted;
    use super::*;
    use crate::proto::{FailureDetails, PutThirdPartyJobFailureResultRequest};

    #[test]
    fn secrets_are_redacted() {
        assert_secrets_are_redacted::<Failure>(PutThirdPartyJobFailureResultRequest {
            job_id: "job_id".into(),
            client_token: "client_token".into(),
            failure_details: Some(FailureDetails {
                r#type: 1,
                message: "message".into(),
                ..FailureDetails::default()
            }),
        });
    }
}
