//! GetThirdPartyJobDetails: every field of a job, the size of the response, and the states of a
//! job.

use std::collections::{BTreeMap, HashMap};

use codepipeline_gateway::proto::{
    self, GetThirdPartyJobDetailsRequest, GetThirdPartyJobDetailsResponse, ThirdPartyJobData,
    ThirdPartyJobDetails,
};
use codepipeline_simulator::{Artifact, EncryptionKey, Fault, Job, OperationName, PipelineContext};
use tonic::Code;

use super::{TextField, assert_limits};
use crate::harness::{Answer, NONCE, TOKEN, World, action_type, details_request};
use crate::requests::assert_invalid;

const DETAILS: OperationName = OperationName::GetThirdPartyJobDetails;

type Read = Answer<GetThirdPartyJobDetailsResponse>;

async fn read(world: &World, id: &str) -> Read {
    world.gateway.send(details_request(id)).await
}

/// The details for this body of AWS's response.
async fn read_from(world: &World, body: impl Into<String>) -> Read {
    world.simulator.fault_operation(DETAILS, 1, Fault::answer(200, body));
    read(world, "job-1").await
}

fn job_data(answer: &Read) -> &ThirdPartyJobData {
    answer.ok().job_details.as_ref().unwrap().data.as_ref().unwrap()
}

/// A job that has a value in every field.
fn full_job() -> Job {
    Job {
        configuration: [("ApiKey", "secret-ü \"1\""), ("", "no name"), ("Empty", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        pipeline_context: PipelineContext {
            pipeline_name: "pipeline".into(),
            stage_name: "stage".into(),
            action_name: "action".into(),
            action_execution_id: "execution".into(),
        },
        input_artifacts: vec![
            Artifact { revision: Some("abc123".into()), ..Artifact::new("in-1", "bucket-1", "a/b/c.zip") },
            Artifact::new("in-2", "bucket-2", "d é.zip"),
        ],
        output_artifacts: vec![Artifact::new("out-1", "bucket-3", "e.zip")],
        encryption_key: Some(EncryptionKey::kms("arn:aws:kms:eu-west-1:123456789012:key/k")),
        continuation_token: Some("continue-here".into()),
        ..Job::new("job-1", NONCE, TOKEN)
    }
}

fn artifact(name: &str, revision: &str, bucket_name: &str, object_key: &str) -> proto::Artifact {
    let [name, revision, bucket_name, object_key] =
        [name, revision, bucket_name, object_key].map(str::to_owned);
    proto::Artifact { name, revision, bucket_name, object_key, request: None }
}

/// Removes the presigned requests: `artifacts` has the tests for them.
fn without_requests(answer: &mut Read) {
    let details = answer.result.as_mut().unwrap().job_details.as_mut().unwrap();
    let data = details.data.as_mut().unwrap();
    for artifact in data.input_artifacts.iter_mut().chain(&mut data.output_artifacts) {
        assert!(artifact.request.take().is_some(), "{}", artifact.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_job_reaches_the_worker() {
    let world = World::start().await;
    world.simulator.add_job(full_job());
    let mut answer = read(&world, "job-1").await;
    without_requests(&mut answer);
    let keys = job_data(&answer).artifact_credentials.clone().unwrap();
    let issued = world.simulator.artifact_key(&keys.access_key_id).unwrap();
    assert_eq!(keys.secret_access_key, issued.secret_access_key);
    assert_eq!(Some(keys.session_token.clone()), issued.session_token);
    let expected = ThirdPartyJobDetails {
        id: "job-1".into(),
        nonce: NONCE.into(),
        data: Some(ThirdPartyJobData {
            action_type_id: Some(action_type()),
            configuration: full_job().configuration.into_iter().collect(),
            pipeline_context: Some(proto::PipelineContext {
                pipeline_name: "pipeline".into(),
                stage_name: "stage".into(),
                action_name: "action".into(),
                action_execution_id: "execution".into(),
            }),
            input_artifacts: vec![
                artifact("in-1", "abc123", "bucket-1", "a/b/c.zip"),
                artifact("in-2", "", "bucket-2", "d é.zip"),
            ],
            output_artifacts: vec![artifact("out-1", "", "bucket-3", "e.zip")],
            artifact_credentials: Some(keys),
            continuation_token: "continue-here".into(),
            encryption_key: Some(proto::EncryptionKey {
                id: "arn:aws:kms:eu-west-1:123456789012:key/k".into(),
                r#type: "KMS".into(),
            }),
        }),
    };
    // The types' own Debug output has no secrets, so it can't show a difference.
    assert!(answer.ok().job_details.as_ref() == Some(&expected), "{:?}", answer.ok());
    let seen = world.simulator.requests();
    assert_eq!(answer.header("x-amzn-requestid"), Some(seen[0].request_id.as_str()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_read_has_new_artifact_credentials() {
    let world = World::start().await;
    world.simulator.add_job(full_job());
    let mut keys = Vec::new();
    for _read in 0..3 {
        let answer = read(&world, "job-1").await;
        keys.push(job_data(&answer).artifact_credentials.clone().unwrap().access_key_id);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
    world.simulator.add_job(Job { artifact_credentials: false, ..full_job() });
    assert!(job_data(&read(&world, "job-1").await).artifact_credentials.is_none());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_aws_leaves_out_are_empty() {
    let world = World::start().await;
    for body in ["", "{}", r#"{"jobDetails":null}"#, r#"{"new":[{"member":1}]}"#] {
        assert!(read_from(&world, body).await.ok().job_details.is_none(), "{body}");
    }
    for body in [r#"{"jobDetails":{}}"#, r#"{"jobDetails":{"id":null,"data":null,"new":1}}"#] {
        let details = read_from(&world, body).await.ok().job_details.clone().unwrap();
        assert_eq!((details.id.as_str(), details.nonce.as_str()), ("", ""), "{body}");
    }
    let bare = read_from(&world, r#"{"jobDetails":{"id":"a","data":{}}}"#).await;
    assert!(*job_data(&bare) == ThirdPartyJobData::default());
    let partial = r#"{"jobDetails":{"data":{"pipelineContext":{"stage":{}},"inputArtifacts":[{},
        {"name":"n","location":{"type":"Tape"}}],"actionConfiguration":{},"encryptionKey":{"type":"New"}}}}"#;
    let partial = read_from(&world, partial).await;
    let data = job_data(&partial);
    assert_eq!(data.input_artifacts, [proto::Artifact::default(), artifact("n", "", "", "")]);
    assert_eq!(data.pipeline_context, Some(proto::PipelineContext::default()));
    let key = data.encryption_key.as_ref().unwrap();
    assert_eq!((key.id.as_str(), key.r#type.as_str()), ("", "New"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_100_kb_reaches_the_worker() {
    let world = World::start().await;
    let many: BTreeMap<_, _> = (0..100).map(|key| (format!("key-{key}"), "ü".repeat(512))).collect();
    let one = BTreeMap::from([("key".to_owned(), "v".repeat(100 * 1024))]);
    for configuration in [many, one] {
        let expected: HashMap<_, _> = configuration.clone().into_iter().collect();
        world.simulator.add_job(Job { configuration, ..full_job() });
        let answer = read(&world, "job-1").await;
        assert!(job_data(&answer).configuration == expected, "{} keys", expected.len());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_with_details_is_read_up_to_1_mib() {
    let world = World::start().await;
    let head = r#"{"jobDetails":{"id":"job-1","nonce":""#;
    for (length, fits) in [(1024 * 1024, true), (1024 * 1024 + 1, false), (8 * 1024 * 1024, false)] {
        let nonce = length - head.len() - 3;
        let answer = read_from(&world, format!("{head}{}\"}}}}", "n".repeat(nonce))).await;
        if fits {
            assert_eq!(answer.ok().job_details.as_ref().unwrap().nonce.len(), nonce);
        } else {
            assert_eq!((answer.code(), answer.reason().as_str()), (Code::Internal, "AWS_BAD_RESPONSE"));
            assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1), "{length} bytes");
        }
    }
    world.simulator.add_job(full_job());
    read(&world, "job-1").await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_read_until_it_ends() {
    let world = World::start().await;
    for status in ["Dispatched", "InProgress"] {
        world.simulator.add_job(full_job().with_status(status));
        read(&world, "job-1").await.ok();
    }
    for status in ["Succeeded", "Failed", "TimedOut", "Queued"] {
        world.simulator.add_job(full_job().with_status(status));
        let answer = read(&world, "job-1").await;
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::NotFound, "INVALID_JOB"), "{status}");
        assert_eq!((answer.outcome().as_str(), answer.attempts()), ("rejected", 1), "{status}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_job_and_a_wrong_token_have_different_errors() {
    let world = World::start().await;
    world.simulator.add_job(full_job());
    let missing = read(&world, "job-0").await;
    assert_eq!((missing.code(), missing.reason().as_str()), (Code::NotFound, "JOB_NOT_FOUND"));
    let mut request = details_request("job-1");
    request.client_token = "wrong".into();
    let wrong = world.gateway.send(request).await;
    assert_eq!((wrong.code(), wrong.reason().as_str()), (Code::PermissionDenied, "INVALID_CLIENT_TOKEN"));
    assert_eq!((wrong.outcome().as_str(), wrong.attempts()), ("rejected", 1));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_together() {
    let world = World::start().await;
    let empty = world.gateway.send(GetThirdPartyJobDetailsRequest::default()).await;
    assert_invalid(&empty, "all empty");
    assert_eq!(empty.violated_fields(), ["job_id", "client_token"]);
    assert_eq!(world.request_count(), 0);
    let fields: [TextField<GetThirdPartyJobDetailsRequest>; 2] = [
        ("job_id", 1, 512, |request, text| request.job_id = text),
        ("client_token", 1, 256, |request, text| request.client_token = text),
    ];
    assert_limits(&details_request("job-1"), &fields, |request| world.gateway.send(request)).await;
    world.stop().await;
}
