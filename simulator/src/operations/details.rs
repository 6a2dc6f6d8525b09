//! `GetThirdPartyJobDetails`: a worker reads a job.

use serde_json::{Value, json};

use super::operation::{CLIENT_TOKEN, Context, JOB_ID, Operation};
use crate::config::AccessKey;
use crate::job_store::JobStore;
use crate::jobs::{Artifact, Job, status};
use crate::protocol::{AwsError, AwsResponse, Input};

/// The input.
pub(super) struct Details {
    job_id: String,
    client_token: String,
}

impl Operation for Details {
    const SAMPLE: &'static str = concat!(
        r#"{"jobDetails":{"id":"fa4efa4e-0b00-4000-8000-fa4efa4efa4e","nonce":"fake-nonce","#,
        r#""data":{"actionConfiguration":{"configuration":{}},"inputArtifacts":[],"outputArtifacts":[]}}}"#
    );

    fn parse(input: &mut Input) -> Result<Self, AwsError> {
        Ok(Self {
            job_id: input.required_text("jobId", JOB_ID)?,
            client_token: input.required_text("clientToken", CLIENT_TOKEN)?,
        })
    }

    /// A worker can read a job before the acknowledge and again until the job ends, for example to
    /// get new credentials for the artifacts.
    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError> {
        let entry = jobs.authorize(&self.job_id, &self.client_token, context.now)?;
        if !entry.is(status::DISPATCHED) && !entry.is(status::IN_PROGRESS) {
            let text = "The job was specified in an invalid format or cannot be found.";
            return Err(AwsError::new("InvalidJobException", text));
        }
        let job = entry.job.clone();
        let key = job.artifact_credentials.then(|| jobs.artifact_keys.issue(&job.id, context.now));
        let details = json!({ "id": job.id, "nonce": job.nonce, "data": data(&job, key) });
        Ok(AwsResponse::ok(json!({ "jobDetails": details }).to_string()))
    }
}

fn data(job: &Job, key: Option<AccessKey>) -> Value {
    let context = &job.pipeline_context;
    let mut data = json!({
        "actionTypeId": job.action_type,
        "actionConfiguration": { "configuration": job.configuration },
        // AWS leaves out `pipelineArn` and `pipelineExecutionId` for third-party jobs.
        "pipelineContext": {
            "pipelineName": context.pipeline_name,
            "stage": { "name": context.stage_name },
            "action": { "name": context.action_name, "actionExecutionId": context.action_execution_id },
        },
        "inputArtifacts": artifacts(&job.input_artifacts),
        "outputArtifacts": artifacts(&job.output_artifacts),
    });
    if let Some(key) = key {
        data["artifactCredentials"] = json!({
            "accessKeyId": key.access_key_id,
            "secretAccessKey": key.secret_access_key,
            "sessionToken": key.session_token,
        });
    }
    if let Some(token) = &job.continuation_token {
        data["continuationToken"] = json!(token);
    }
    if let Some(key) = &job.encryption_key {
        data["encryptionKey"] = json!(key);
    }
    data
}

fn artifacts(artifacts: &[Artifact]) -> Vec<Value> {
    artifacts.iter().map(artifact).collect()
}

fn artifact(artifact: &Artifact) -> Value {
    let location = json!({ "bucketName": artifact.bucket_name, "objectKey": artifact.object_key });
    let mut value = json!({
        "name": artifact.name,
        "location": { "type": "S3", "s3Location": location },
    });
    if let Some(revision) = &artifact.revision {
        value["revision"] = json!(revision);
    }
    value
}
