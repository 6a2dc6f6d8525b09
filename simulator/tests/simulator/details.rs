//! `GetThirdPartyJobDetails`.

use std::time::Duration;

use codepipeline_simulator::OperationName::GetThirdPartyJobDetails as DETAILS;
use codepipeline_simulator::{ActionType, Artifact, EncryptionKey, Job, PipelineContext};
use serde_json::{Value, json};

use crate::{JOB, NONCE, TOKEN, call, call_at, job, job_input, simulator};

#[tokio::test]
async fn details_of_a_default_job() {
    let simulator = simulator().await;
    let mut body = call(&simulator, DETAILS, &job_input(JOB)).await.json();
    let credentials = body["jobDetails"]["data"]["artifactCredentials"].take();
    for (member, prefix) in
        [("accessKeyId", "ASIAFAKE"), ("secretAccessKey", "fake-"), ("sessionToken", "fake-")]
    {
        assert!(credentials[member].as_str().unwrap().starts_with(prefix), "{credentials}");
    }
    let action_type =
        json!({ "category": "Test", "owner": "ThirdParty", "provider": "FakeProvider", "version": "1" });
    let id = "fa4efa4e-0000-4000-8000-fa4efa4efa4e";
    let data = json!({
        "actionTypeId": action_type,
        "actionConfiguration": { "configuration": {} },
        "pipelineContext": {
            "pipelineName": "fake-pipeline",
            "stage": { "name": "fake-stage" },
            "action": { "name": "fake-action", "actionExecutionId": id },
        },
        "inputArtifacts": [],
        "outputArtifacts": [],
        "artifactCredentials": null,
    });
    assert_eq!(body, json!({ "jobDetails": { "id": JOB, "nonce": NONCE, "data": data } }));
}

#[tokio::test]
async fn details_of_a_job_with_everything() {
    let simulator = simulator().await;
    let revision = Some("abc123".to_owned());
    simulator.add_job(Job {
        action_type: ActionType::third_party("Deploy", "Other", "2"),
        pipeline_context: PipelineContext { stage_name: "Prod".to_owned(), ..PipelineContext::default() },
        input_artifacts: vec![Artifact { revision, ..Artifact::new("in", "bucket", "in.zip") }],
        output_artifacts: vec![Artifact::new("out", "bucket", "out.zip")],
        encryption_key: Some(EncryptionKey::kms("alias/fake")),
        continuation_token: Some("fake-continuation".to_owned()),
        artifact_credentials: false,
        ..job().with_configuration("Password", "fake-password")
    });
    let body = call(&simulator, DETAILS, &job_input(JOB)).await.json();
    let data = &body["jobDetails"]["data"];
    let location =
        |key: &str| json!({ "type": "S3", "s3Location": { "bucketName": "bucket", "objectKey": key } });
    for (member, expected) in [
        ("actionConfiguration", json!({ "configuration": { "Password": "fake-password" } })),
        ("inputArtifacts", json!([{ "name": "in", "revision": "abc123", "location": location("in.zip") }])),
        ("outputArtifacts", json!([{ "name": "out", "location": location("out.zip") }])),
        ("encryptionKey", json!({ "id": "alias/fake", "type": "KMS" })),
        ("continuationToken", json!("fake-continuation")),
        ("artifactCredentials", Value::Null),
    ] {
        assert_eq!(data[member], expected, "{member}");
    }
    assert_eq!(data["actionTypeId"]["category"], "Deploy");
    assert_eq!(data["pipelineContext"]["stage"]["name"], "Prod");
}

#[tokio::test]
async fn configuration_can_have_100_kilobytes() {
    let simulator = simulator().await;
    let value = "v".repeat(1000);
    let large = (0..100).fold(job(), |job, n| job.with_configuration(format!("key-{n}"), &*value));
    simulator.add_job(large.clone());
    let body = call(&simulator, DETAILS, &job_input(JOB)).await.json();
    let configuration = &body["jobDetails"]["data"]["actionConfiguration"]["configuration"];
    assert_eq!(*configuration, json!(large.configuration));
}

#[tokio::test]
async fn checks_are_job_then_token_then_state() {
    let simulator = simulator().await;
    simulator.add_job(Job::queued("queued", NONCE, TOKEN));
    let input = |id: &str, token: &str| json!({ "jobId": id, "clientToken": token });
    for (id, token, code) in [
        ("other", "other", "JobNotFoundException"),
        ("queued", "other", "InvalidClientTokenException"),
        ("queued", TOKEN, "InvalidJobException"),
    ] {
        assert_eq!(call(&simulator, DETAILS, &input(id, token)).await.error_code(), code);
    }
}

#[tokio::test]
async fn details_exist_while_dispatched_or_in_progress() {
    let simulator = simulator().await;
    for (status, code) in [
        ("Created", 400),
        ("Queued", 400),
        ("Dispatched", 200),
        ("InProgress", 200),
        ("TimedOut", 400),
        ("Succeeded", 400),
        ("Failed", 400),
    ] {
        simulator.add_job(job().with_status(status));
        assert_eq!(call(&simulator, DETAILS, &job_input(JOB)).await.status, code, "{status}");
    }
}

#[tokio::test]
async fn artifact_credentials_are_new_and_expire() {
    let simulator = simulator().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = call(&simulator, DETAILS, &job_input(JOB)).await.json();
        let credentials = &body["jobDetails"]["data"]["artifactCredentials"];
        let id = credentials["accessKeyId"].as_str().unwrap().to_owned();
        let key = simulator.artifact_key(&id).unwrap();
        assert_eq!(key.secret_access_key, credentials["secretAccessKey"]);
        assert_eq!(key.session_token.unwrap(), credentials["sessionToken"]);
        ids.push(id);
        simulator.advance_clock(Duration::from_secs(100));
    }
    assert_ne!(ids[0], ids[1]);
    simulator.advance_clock(Duration::from_secs(750));
    let expired = |id: &str| simulator.artifact_key(id).unwrap().expired;
    assert!(expired(&ids[0]) && !expired(&ids[1]));
    simulator.advance_clock(Duration::from_secs(100));
    assert!(expired(&ids[1]));
    assert_eq!(simulator.artifact_key("other"), None);
    // The signature must have the simulator's time.
    assert_eq!(call_at(&simulator, 1050, DETAILS, &job_input(JOB)).await.status, 200);
}

#[tokio::test]
async fn every_violation_of_details_is_reported() {
    let simulator = simulator().await;
    let (code, message) = call(&simulator, DETAILS, &json!({ "jobId": "" })).await.error();
    assert_eq!(code, "ValidationException");
    let failed = "failed to satisfy constraint: Member must";
    let text = format!(
        "2 validation errors detected: Value '' at 'jobId' {failed} have length greater than or equal to 1; \
         Value at 'clientToken' {failed} not be null"
    );
    assert_eq!(message, text);
}
