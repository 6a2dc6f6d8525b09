//! PutThirdPartyJobSuccessResult in the SDK.

use aws_sdk_codepipeline::operation::put_third_party_job_success_result::{
    PutThirdPartyJobSuccessResult, PutThirdPartyJobSuccessResultInput, PutThirdPartyJobSuccessResultOutput,
};
use aws_sdk_codepipeline::types;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::operation::BuildError;

use super::{AwsOperation, Fields};
use crate::operations::{CurrentRevision, ExecutionDetails, SecretText, Success};

impl AwsOperation for Success {
    type Sdk = PutThirdPartyJobSuccessResult;
    type SdkInput = PutThirdPartyJobSuccessResultInput;
    type SdkOutput = PutThirdPartyJobSuccessResultOutput;

    const FIELDS: Fields = &[
        ("jobId", "job_id"),
        ("clientToken", "client_token"),
        ("currentRevision.revision", "current_revision.revision"),
        ("currentRevision.changeIdentifier", "current_revision.change_identifier"),
        ("currentRevision.created", "current_revision.created"),
        ("currentRevision.revisionSummary", "current_revision.revision_summary"),
        ("continuationToken", "continuation_token"),
        ("executionDetails.summary", "execution_details.summary"),
        ("executionDetails.externalExecutionId", "execution_details.external_execution_id"),
        ("executionDetails.percentComplete", "execution_details.percent_complete"),
    ];

    fn input(&self) -> Result<Self::SdkInput, BuildError> {
        PutThirdPartyJobSuccessResultInput::builder()
            .job_id(self.job_id.as_str())
            .client_token(self.client_token.expose())
            .set_current_revision(self.current_revision.as_ref().map(revision).transpose()?)
            .set_continuation_token(self.continuation_token.as_ref().map(|token| token.expose().to_owned()))
            .set_execution_details(self.execution_details.as_ref().map(details))
            .build()
    }

    fn output(_: Self::SdkOutput) {}

    fn secrets(&self) -> Vec<&str> {
        let continuation = self.continuation_token.iter().map(SecretText::expose);
        [self.client_token.expose()].into_iter().chain(continuation).collect()
    }
}

fn revision(revision: &CurrentRevision) -> Result<types::CurrentRevision, BuildError> {
    let created = revision.created.map(|(seconds, nanos)| DateTime::from_secs_and_nanos(seconds, nanos));
    types::CurrentRevision::builder()
        .revision(&revision.revision)
        .change_identifier(&revision.change_identifier)
        .set_created(created)
        .set_revision_summary(revision.revision_summary.clone())
        .build()
}

fn details(details: &ExecutionDetails) -> types::ExecutionDetails {
    types::ExecutionDetails::builder()
        .set_summary(details.summary.clone())
        .set_external_execution_id(details.external_execution_id.clone())
        .set_percent_complete(details.percent_complete)
        .build()
}

#[cfg(test)]
mod tests {
    use super::super::aws_operation::tests::assert_secrets_are_redacted;
    use super::*;
    use crate::proto::PutThirdPartyJobSuccessResultRequest;

    #[test]
    fn secrets_are_redacted() {
        assert_secrets_are_redacted::<Success>(PutThirdPartyJobSuccessResultRequest {
            job_id: "job_id".into(),
            client_token: "client_token".into(),
            continuation_token: Some("continuation_token".into()),
            ..PutThirdPartyJobSuccessResultRequest::default()
        });
    }
}
