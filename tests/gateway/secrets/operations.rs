//! The calls of the other operations, with planted secrets in their requests and in AWS's
//! responses.

use std::net::SocketAddr;

use codepipeline_gateway::proto::{
    CurrentRevision, GetThirdPartyJobDetailsRequest, PutThirdPartyJobFailureResultRequest,
    PutThirdPartyJobSuccessResultRequest, ThirdPartyJobData,
};
use codepipeline_simulator::{
    ActionType, Artifact, CallMoment, EncryptionKey, ErrorFault, Fault, Job, MessageKey, OperationName,
    Shape, Simulator,
};
use serde_json::json;
use tonic::Request;
use tonic::transport::Channel;

use super::evidence::Evidence;
use super::{
    ARTIFACT_KEY_ID, ARTIFACT_SECRET_KEY, ARTIFACT_SESSION, CLIENT_TOKEN, CONFIGURATION_KEY,
    CONFIGURATION_VALUE, CONTINUATION, NONCE, SECRETS, bearing, planted,
};
use crate::harness::process::serve_command;
use crate::harness::{
    self, Answer, AnyResponse, JobRequest, channel, details_request, failure_request, job_for, poll_request,
    simulator_with, success_request, unary, until_serving,
};

const KMS_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/k";
const DETAILS: OperationName = OperationName::GetThirdPartyJobDetails;

const CODES: [&str; 10] = [
    "ValidationException",
    "JobNotFoundException",
    "InvalidClientTokenException",
    "ActionTypeNotFoundException",
    "InvalidJobException",
    "InvalidJobStateException",
    "ThrottlingException",
    "InternalFailure",
    "SerializationException",
    "SomethingNewException",
];

/// A text that repeats every secret.
fn everything() -> String {
    SECRETS.map(|(_, secret)| secret).join(" ")
}

/// The body of a response with details in which every secret field is planted. The gateway can't
/// presign the second artifact, and logs that.
fn details_body() -> String {
    let artifact = |bucket: &str| {
        let location = json!({ "bucketName": bucket, "objectKey": "key" });
        json!({ "name": "artifact", "location": { "type": "S3", "s3Location": location } })
    };
    let artifacts = [artifact("bucket"), artifact("arn:aws:s3:eu-west-1:123456789012:nothing")];
    let details = json!({ "id": "job", "nonce": NONCE, "data": {
        "actionTypeId": {
            "category": "Test", "owner": "ThirdParty", "provider": "FakeProvider", "version": "1",
        },
        "actionConfiguration": { "configuration": { CONFIGURATION_KEY: CONFIGURATION_VALUE } },
        "artifactCredentials": {
            "accessKeyId": ARTIFACT_KEY_ID,
            "secretAccessKey": ARTIFACT_SECRET_KEY,
            "sessionToken": ARTIFACT_SESSION,
        },
        "continuationToken": CONTINUATION,
        "inputArtifacts": artifacts,
        "outputArtifacts": artifacts,
    } });
    json!({ "jobDetails": details }).to_string()
}

/// Responses that can't be read, with secrets in the places where a parser stops.
fn unreadable_bodies() -> Vec<String> {
    let (body, text) = (details_body(), json!(everything()).to_string());
    vec![
        format!("<html><body>{}</body></html>", everything()),
        body[..body.len() - 3].to_owned(),
        body.replace(&json!(NONCE).to_string(), &format!("[{text}]")),
        body.replace(&json!(CONFIGURATION_VALUE).to_string(), &format!("{{{text}:{text}}}")),
        body.replace(&json!(ARTIFACT_SESSION).to_string(), "7"),
        format!(r#"{{"jobDetails":{text},"jobs":{text},"status":[{text}]}}"#),
        format!(r#"{{"jobDetails":{{"nonce":"{}\q"}}}}"#, "x".repeat(20)),
        format!("{body}{}", text.repeat(6000)),
    ]
}

fn faults() -> Vec<Fault> {
    let error = |code: &str, shape, message_key| {
        let message = Some(everything());
        Fault::Error(ErrorFault { shape, message_key, message, ..ErrorFault::new(code) })
    };
    let mut faults: Vec<Fault> =
        CODES.iter().map(|code| error(code, Shape::Type, MessageKey::Lower)).collect();
    faults.push(error("ValidationException", Shape::Header, MessageKey::Upper));
    for http_status in [200, 400, 503] {
        faults.extend(unreadable_bodies().into_iter().map(|body| Fault::answer(http_status, body)));
    }
    faults.extend([
        Fault::answer(200, details_body()),
        Fault::CutBody { process: true, http_status: None, code: None },
        Fault::MalformedBody { process: true },
        Fault::Reset { when: CallMoment::AfterProcessing },
        Fault::Close { when: CallMoment::AfterRequestRead },
    ]);
    faults
}

/// A job whose own secrets are planted, in the state that the operation needs.
fn job(operation: OperationName) -> Job {
    let job = job_for(operation, "job");
    Job {
        nonce: NONCE.into(),
        client_token: CLIENT_TOKEN.into(),
        input_artifacts: vec![Artifact::new("in", "bucket", "key")],
        output_artifacts: vec![Artifact::new("out", "bucket", "key")],
        encryption_key: Some(EncryptionKey::kms(KMS_KEY)),
        continuation_token: Some(CONTINUATION.into()),
        ..job.with_configuration(CONFIGURATION_KEY, CONFIGURATION_VALUE)
    }
}

fn planted_success() -> PutThirdPartyJobSuccessResultRequest {
    PutThirdPartyJobSuccessResultRequest {
        client_token: CLIENT_TOKEN.into(),
        continuation_token: Some(CONTINUATION.into()),
        ..success_request("job")
    }
}

fn planted_failure() -> PutThirdPartyJobFailureResultRequest {
    PutThirdPartyJobFailureResultRequest { client_token: CLIENT_TOKEN.into(), ..failure_request("job") }
}

fn planted_details() -> GetThirdPartyJobDetailsRequest {
    GetThirdPartyJobDetailsRequest { client_token: CLIENT_TOKEN.into(), ..details_request("job") }
}

async fn send<Q: JobRequest>(channel: Channel, request: Request<Q>) -> Answer<AnyResponse> {
    unary(channel, request).await.erase()
}

/// Calls an operation with the planted secrets.
async fn call(address: SocketAddr, operation: OperationName) -> Answer<AnyResponse> {
    let channel = channel(address);
    match operation {
        OperationName::PollForThirdPartyJobs => send(channel, bearing(poll_request())).await,
        OperationName::GetThirdPartyJobDetails => send(channel, bearing(planted_details())).await,
        OperationName::AcknowledgeThirdPartyJob => send(channel, planted("job")).await,
        OperationName::PutThirdPartyJobSuccessResult => send(channel, bearing(planted_success())).await,
        OperationName::PutThirdPartyJobFailureResult => send(channel, bearing(planted_failure())).await,
    }
}

/// Makes every operation succeed and fail in every way.
pub(super) async fn every_operation(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
    for operation in OperationName::ALL {
        let name = operation.as_str();
        // `aws` has the failures of an acknowledge, whose log has AWS's message with the request's
        // own secrets redacted.
        if operation != OperationName::AcknowledgeThirdPartyJob {
            for fault in faults() {
                simulator.add_job(job(operation));
                // Twice, because some failures are retried.
                simulator.fault_operation(operation, 2, fault.clone());
                evidence.answer(&format!("{name}, {fault:.60?}"), &call(address, operation).await);
                simulator.clear_faults();
            }
        }
        simulator.add_job(job(operation));
        let answer = call(address, operation).await;
        answer.ok();
        evidence.answer(&format!("{name}, a success"), &answer);
        evidence.answer(&format!("{name}, a second call"), &call(address, operation).await);
    }
    the_details_themselves(simulator, address, evidence).await;
    every_bad_request(address, evidence).await;
}

/// The worker gets every secret of the job, and no output has one.
async fn the_details_themselves(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
    simulator.add_job(job(DETAILS));
    let answer = unary(channel(address), bearing(planted_details())).await;
    let data = answer.ok().job_details.clone().unwrap().data.unwrap();
    assert_eq!(data.configuration[CONFIGURATION_KEY], CONFIGURATION_VALUE);
    assert_eq!(data.continuation_token, CONTINUATION);
    let keys = data.artifact_credentials.clone().unwrap();
    evidence.also_secret("an issued access key ID", &keys.access_key_id);
    evidence.also_secret("an issued secret access key", &keys.secret_access_key);
    evidence.also_secret("an issued session token", &keys.session_token);
    secret_requests(&data, evidence);
    evidence.add("Debug of the data", format!("{data:?} {data:#?} {keys:?}"));
    evidence.answer("details", &answer);

    simulator.fault_operation(DETAILS, 1, Fault::answer(200, details_body()));
    let answer = unary(channel(address), bearing(planted_details())).await;
    let data = answer.ok().job_details.clone().unwrap().data.unwrap();
    assert_eq!(data.artifact_credentials.as_ref().unwrap().session_token, ARTIFACT_SESSION);
    secret_requests(&data, evidence);
    assert!(data.input_artifacts[1].request.is_none() && data.output_artifacts[1].request.is_none());
    evidence.answer("planted details", &answer);

    simulator.add_job(job(DETAILS).with_action_type(ActionType::third_party("Test", "Other", "1")));
    let answer = unary(channel(address), bearing(planted_details())).await;
    assert_eq!(answer.reason(), "ACTION_TYPE_NOT_ALLOWED");
    evidence.answer("withheld details", &answer);
}

/// The secrets in the presigned requests. The credentials in the URL are secrets already.
fn secret_requests(data: &ThirdPartyJobData, evidence: &mut Evidence) {
    let artifacts = [&data.input_artifacts[0], &data.output_artifacts[0]];
    for request in artifacts.map(|artifact| artifact.request.as_ref().unwrap()) {
        let (_, signature) = request.url.split_once("X-Amz-Signature=").unwrap();
        evidence.also_secret("a signature", signature.split('&').next().unwrap());
        let (_, query) = request.url.split_once('?').unwrap();
        evidence.also_secret("a presigned query", &query[..40]);
        evidence.add("Debug of a request", format!("{request:?} {request:#?}"));
    }
}

async fn every_bad_request(address: SocketAddr, evidence: &mut Evidence) {
    let mut request = planted_success();
    request.continuation_token = Some(CONTINUATION.repeat(100));
    request.current_revision = Some(CurrentRevision::default());
    evidence.add("Debug of a request", format!("{request:?} {:?}", planted_failure()));
    evidence.answer("a bad success", &unary(channel(address), bearing(request)).await);
    let mut request = planted_details();
    request.client_token = CLIENT_TOKEN.repeat(20);
    evidence.add("Debug of a request", format!("{request:?}"));
    evidence.answer("bad details", &unary(channel(address), bearing(request)).await);
    let mut request = planted_failure();
    request.client_token = CLIENT_TOKEN.repeat(20);
    request.failure_details.as_mut().unwrap().r#type = 0;
    evidence.answer("a bad failure", &unary(channel(address), bearing(request)).await);
    let mut request = poll_request();
    request.action_type_id.as_mut().unwrap().provider = "not a provider".into();
    evidence.answer("a bad poll", &unary(channel(address), bearing(request)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_error_message_of_aws_for_acknowledge_alone() {
    let simulator = simulator_with(&[]).await;
    let serve = serve_command(&["--log-level=trace", "--log-format=json", "--shutdown-delay=0s"]);
    let mut program = serve.with("RUST_LOG", "trace").with_keys().for_simulator(&simulator).start();
    let address = program.address().await;
    until_serving(address).await;
    let marker = |operation: OperationName| format!("AWS-SAYS-{}", operation.as_str());
    for operation in OperationName::ALL {
        for code in ["ValidationException", "AccessDeniedException", "SomethingNewException"] {
            let message = Some(format!("{}: no", marker(operation)));
            let error = ErrorFault { message, ..ErrorFault::new(code) };
            simulator.fault_operation(operation, 1, Fault::Error(error));
            let answer = harness::call(channel(address), operation, "job-1").await;
            assert!(!format!("{answer:?}").contains("AWS-SAYS"), "{answer:?}");
        }
    }
    program.signal("TERM");
    let log = program.end().await.err;
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""), "a detailed log");
    for operation in OperationName::ALL {
        let expected = operation == OperationName::AcknowledgeThirdPartyJob;
        assert_eq!(log.contains(&marker(operation)), expected, "{operation:?}");
    }
    assert!(!log.contains("AWS-SAYS-Get") && !log.contains("AWS-SAYS-P"));
}
