//! PollForThirdPartyJobs in the SDK.

use aws_sdk_codepipeline::operation::poll_for_third_party_jobs::{
    PollForThirdPartyJobs, PollForThirdPartyJobsInput, PollForThirdPartyJobsOutput,
};
use aws_sdk_codepipeline::types;
use aws_smithy_types::error::operation::BuildError;

use super::{AwsOperation, Fields};
use crate::operations::{Poll, PolledJob};

impl AwsOperation for Poll {
    type Sdk = PollForThirdPartyJobs;
    type SdkInput = PollForThirdPartyJobsInput;
    type SdkOutput = PollForThirdPartyJobsOutput;

    const FIELDS: Fields = &[
        ("actionTypeId.category", "action_type_id.category"),
        ("actionTypeId.owner", "action_type_id.owner"),
        ("actionTypeId.provider", "action_type_id.provider"),
        ("actionTypeId.version", "action_type_id.version"),
        ("maxBatchSize", "max_batch_size"),
    ];

    fn input(&self) -> Result<Self::SdkInput, BuildError> {
        let action_type = types::ActionTypeId::builder()
            .category(self.action_type.category.as_str().into())
            .owner(self.action_type.owner.as_str().into())
            .provider(&self.action_type.provider)
            .version(&self.action_type.version)
            .build()?;
        PollForThirdPartyJobsInput::builder()
            .action_type_id(action_type)
            .set_max_batch_size(self.max_batch_size)
            .build()
    }

    fn output(output: Self::SdkOutput) -> Vec<PolledJob> {
        let jobs = output.jobs.unwrap_or_default().into_iter().map(|job| PolledJob {
            job_id: job.job_id.unwrap_or_default(),
            client_id: job.client_id.unwrap_or_default(),
        });
        jobs.collect()
    }

    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::aws_operation::tests::assert_secrets_are_redacted;
    use super::*;
    use crate::proto::{ActionTypeId, PollForThirdPartyJobsRequest};

    #[test]
    fn secrets_are_redacted() {
        assert_secrets_are_redacted::<Poll>(PollForThirdPartyJobsRequest {
            action_type_id: Some(ActionTypeId {
                category: "category".into(),
                owner: "owner".into(),
                provider: "provider".into(),
                version: "version".into(),
            }),
            ..PollForThirdPartyJobsRequest::default()
        });
    }
}
