//! GetThirdPartyJobDetails in the SDK.

use std::time::SystemTime;

use aws_sdk_codepipeline::operation::get_third_party_job_details::{
    GetThirdPartyJobDetails, GetThirdPartyJobDetailsInput, GetThirdPartyJobDetailsOutput,
};
use aws_sdk_codepipeline::types;
use aws_smithy_types::error::operation::BuildError;

use super::{AwsOperation, Fields};
use crate::artifacts::Presigner;
use crate::operations::{ActionType, Artifact, Details, JobDetails, PipelineContext, SessionCredentials};

impl AwsOperation for Details {
    type Sdk = GetThirdPartyJobDetails;
    type SdkInput = GetThirdPartyJobDetailsInput;
    type SdkOutput = GetThirdPartyJobDetailsOutput;

    const FIELDS: Fields = &[("jobId", "job_id"), ("clientToken", "client_token")];
    /// A resolved configuration can have 100 KB.
    const MAX_RESPONSE: usize = 1024 * 1024;

    fn input(&self) -> Result<Self::SdkInput, BuildError> {
        GetThirdPartyJobDetailsInput::builder()
            .job_id(self.job_id.as_str())
            .client_token(self.client_token.expose())
            .build()
    }

    fn output(output: Self::SdkOutput) -> Option<JobDetails> {
        output.job_details.map(job_details)
    }

    async fn complete(output: &mut Option<JobDetails>, presigner: &Presigner, now: SystemTime) {
        if let Some(details) = output {
            // Boxed, because the SDK's futures are large, and each future around them would contain
            // them.
            Box::pin(presigner.presign(details, now)).await;
        }
    }

    fn secrets(&self) -> Vec<&str> {
        vec![self.client_token.expose()]
    }
}

fn job_details(details: types::ThirdPartyJobDetails) -> JobDetails {
    let job = JobDetails {
        id: details.id.unwrap_or_default(),
        nonce: details.nonce.unwrap_or_default(),
        ..JobDetails::default()
    };
    let Some(data) = details.data else { return job };
    JobDetails {
        action_type: data.action_type_id.map(action_type),
        configuration: data.action_configuration.and_then(|found| found.configuration).unwrap_or_default(),
        pipeline_context: data.pipeline_context.map(pipeline_context),
        input_artifacts: artifacts(data.input_artifacts),
        output_artifacts: artifacts(data.output_artifacts),
        artifact_credentials: data.artifact_credentials.map(|keys| SessionCredentials {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: keys.session_token,
        }),
        continuation_token: data.continuation_token.unwrap_or_default(),
        encryption_key: data.encryption_key.map(|key| (key.id, key.r#type.as_str().to_owned())),
        ..job
    }
}

fn action_type(id: types::ActionTypeId) -> ActionType {
    ActionType {
        category: id.category.as_str().to_owned(),
        owner: id.owner.as_str().to_owned(),
        provider: id.provider,
        version: id.version,
    }
}

fn pipeline_context(context: types::PipelineContext) -> PipelineContext {
    let action = context.action.map(|action| (action.name, action.action_execution_id));
    let (action_name, action_execution_id) = action.unwrap_or_default();
    PipelineContext {
        pipeline_name: context.pipeline_name.unwrap_or_default(),
        stage_name: context.stage.and_then(|stage| stage.name).unwrap_or_default(),
        action_name: action_name.unwrap_or_default(),
        action_execution_id: action_execution_id.unwrap_or_default(),
    }
}

fn artifacts(artifacts: Option<Vec<types::Artifact>>) -> Vec<Artifact> {
    artifacts.unwrap_or_default().into_iter().map(artifact).collect()
}

fn artifact(artifact: types::Artifact) -> Artifact {
    let place = artifact.location.and_then(|location| location.s3_location);
    let (bucket_name, object_key) = place.map(|s3| (s3.bucket_name, s3.object_key)).unwrap_or_default();
    Artifact {
        name: artifact.name.unwrap_or_default(),
        revision: artifact.revision.unwrap_or_default(),
        bucket_name,
        object_key,
        request: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::aws_operation::tests::assert_secrets_are_redacted;
    use super::super::output_of_response;
    use super::*;
    use crate::proto::GetThirdPartyJobDetailsRequest;

    /// Names of members, known and unknown.
    const NAMES: &[&str] = &[
        "jobDetails",
        "id",
        "nonce",
        "data",
        "actionTypeId",
        "category",
        "owner",
        "actionConfiguration",
        "configuration",
        "pipelineContext",
        "stage",
        "name",
        "inputArtifacts",
        "location",
        "s3Location",
        "artifactCredentials",
        "sessionToken",
        "continuationToken",
        "encryptionKey",
        "type",
        "new",
    ];

    /// Any JSON, and also members of the response with values of any type.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<f64>().prop_map(|value| value.to_string()),
            "\\PC{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
            Just(r#""\ud800""#.to_owned()),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            let member = (proptest::sample::select(NAMES), inner.clone());
            let member = member.prop_map(|(name, value)| format!("\"{name}\":{value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                proptest::collection::vec(member, 0..6)
                    .prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    #[test]
    fn a_response_is_read_as_in_a_call() {
        let body = br#"{"jobDetails":{"id":"job-1","nonce":"n","data":{"continuationToken":"c"}}}"#;
        let details = output_of_response::<Details>(body).unwrap().unwrap();
        assert_eq!((details.id.as_str(), details.nonce.as_str()), ("job-1", "n"));
        assert_eq!(details.continuation_token, "c");
        assert!(output_of_response::<Details>(b"{}").unwrap().is_none());
        assert!(output_of_response::<Details>(b"<html>").is_none());
    }

    proptest! {
        #[test]
        fn no_response_panics(body in json(), end in any::<prop::sample::Index>()) {
            let wrapped = format!("{{\"jobDetails\":{{\"id\":\"job-1\",\"data\":{body}}}}}");
            for text in [&body, &wrapped] {
                let bytes = text.as_bytes();
                let _ = output_of_response::<Details>(bytes);
                let _ = output_of_response::<Details>(&bytes[..end.index(bytes.len() + 1)]);
            }
        }

        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = output_of_response::<Details>(&body);
        }
    }

    #[test]
    fn secrets_are_redacted() {
        assert_secrets_are_redacted::<Details>(GetThirdPartyJobDetailsRequest {
            job_id: "job_id".into(),
            client_token: "client_token".into(),
        });
    }
}
