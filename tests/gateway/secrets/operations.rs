//! The calls of the other operations, with planted secrets in their requests and in AWS's
//! responses.

use std::net::SocketAddr;

use codepipeline_gateway::proto::{
    CurrentRevision, FailureDetails, GetThirdPartyJobDetailsRequest, PutThirdPartyJobFailureResultRequest,
    PutThirdPartyJobSuccessResultRequest,
};
use codepipeline_simulator::{
    AnswerFault, CallMoment, ErrorFault, Fault, Job, MessageKey, OperationName, Shape, Simulator,
};
use serde_json::json;

use super::evidence::Evidence;
use super::{
    ARTIFACT_KEY_ID, ARTIFACT_SECRET_KEY, ARTIFACT_SESSION, CLIENT_TOKEN, CONFIGURATION_KEY,
    CONFIGURATION_VALUE, CONTINUATION, NONCE, SECRETS, bearing, planted,
};
use crate::harness::operations::{
    call as call_with_usual_secrets, details, failure, job_for, poll, poll_request, success,
};
use crate::harness::process::serve_command;
use crate::harness::{Answer, AnyResponse, acknowledge, channel, simulator_with, until_serving};

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

/// The body of a response with details in which every secret field is planted.
fn details_body() -> String {
    let details = json!({ "id": "job", "nonce": NONCE, "data": {
        "actionConfiguration": { "configuration": { CONFIGURATION_KEY: CONFIGURATION_VALUE } },
        "artifactCredentials": {
            "accessKeyId": ARTIFACT_KEY_ID,
            "secretAccessKey": ARTIFACT_SECRET_KEY,
            "sessionToken": ARTIFACT_SESSION,
        },
        "continuationToken": CONTINUATION,
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
        faults.extend(
            unreadable_bodies()
                .into_iter()
                .map(|body| Fault::Answer(AnswerFault { http_status, body, ..AnswerFault::default() })),
        );
    }
    faults.extend([
        Fault::Answer(AnswerFault { body: details_body(), ..AnswerFault::default() }),
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
        continuation_token: Some(CONTINUATION.into()),
        ..job.with_configuration(CONFIGURATION_KEY, CONFIGURATION_VALUE)
    }
}

fn success_request() -> PutThirdPartyJobSuccessResultRequest {
    PutThirdPartyJobSuccessResultRequest {
        job_id: "job".into(),
        client_token: CLIENT_TOKEN.into(),
        continuation_token: Some(CONTINUATION.into()),
        ..Default::default()
    }
}

fn failure_request(kind: i32) -> PutThirdPartyJobFailureResultRequest {
    let details = FailureDetails { r#type: kind, message: "it broke".into(), ..Default::default() };
    PutThirdPartyJobFailureResultRequest {
        job_id: "job".into(),
        client_token: CLIENT_TOKEN.into(),
        failure_details: Some(details),
    }
}

fn details_request() -> GetThirdPartyJobDetailsRequest {
    GetThirdPartyJobDetailsRequest { job_id: "job".into(), client_token: CLIENT_TOKEN.into() }
}

/// Calls an operation with the planted secrets.
async fn call(address: SocketAddr, operation: OperationName) -> Answer<AnyResponse> {
    let channel = channel(address);
    match operation {
        OperationName::PollForThirdPartyJobs => poll(channel, bearing(poll_request())).await.erase(),
        OperationName::GetThirdPartyJobDetails => details(channel, bearing(details_request())).await.erase(),
        OperationName::AcknowledgeThirdPartyJob => acknowledge(channel, planted("job")).await.erase(),
        OperationName::PutThirdPartyJobSuccessResult => {
            success(channel, bearing(success_request())).await.erase()
        }
        OperationName::PutThirdPartyJobFailureResult => {
            failure(channel, bearing(failure_request(1))).await.erase()
        }
    }
}

/// Makes every operation succeed and fail in every way.
pub(super) async fn every_operation(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
    for operation in OperationName::ALL {
        let name = operation.as_str();
        // `aws` has the failures of an acknowledge, whose log has AWS's message with the request's
        // own secrets redacted.
        let faulty = operation != OperationName::AcknowledgeThirdPartyJob;
        for fault in faults().into_iter().filter(|_| faulty) {
            simulator.add_job(job(operation));
            // Twice, because some failures are retried.
            simulator.fault_operation(operation, 2, fault.clone());
            evidence.answer(&format!("{name}, {fault:.60?}"), &call(address, operation).await);
            simulator.clear_faults();
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
    let answer = details(channel(address), bearing(details_request())).await;
    let data = answer.ok().job_details.clone().unwrap().data.unwrap();
    assert_eq!(data.configuration[CONFIGURATION_KEY], CONFIGURATION_VALUE);
    assert_eq!(data.continuation_token, CONTINUATION);
    let keys = data.artifact_credentials.clone().unwrap();
    evidence.also_secret("an issued access key ID", &keys.access_key_id);
    evidence.also_secret("an issued secret access key", &keys.secret_access_key);
    evidence.also_secret("an issued session token", &keys.session_token);
    evidence.add("Debug of the data", format!("{data:?} {data:#?} {keys:?}"));
    evidence.answer("details", &answer);

    let body = details_body();
    simulator.fault_operation(DETAILS, 1, AnswerFault { body, ..AnswerFault::default() }.into());
    let answer = details(channel(address), bearing(details_request())).await;
    let data = answer.ok().job_details.clone().unwrap().data.unwrap();
    assert_eq!(data.artifact_credentials.unwrap().session_token, ARTIFACT_SESSION);
    evidence.answer("planted details", &answer);
}

async fn every_bad_request(address: SocketAddr, evidence: &mut Evidence) {
    let mut request = success_request();
    request.continuation_token = Some(CONTINUATION.repeat(100));
    request.current_revision = Some(CurrentRevision::default());
    evidence.add("Debug of a request", format!("{request:?} {:?}", failure_request(0)));
    evidence.answer("a bad success", &success(channel(address), bearing(request)).await);
    let mut request = details_request();
    request.client_token = CLIENT_TOKEN.repeat(20);
    evidence.add("Debug of a request", format!("{request:?}"));
    evidence.answer("bad details", &details(channel(address), bearing(request)).await);
    let mut request = failure_request(0);
    request.client_token = CLIENT_TOKEN.repeat(20);
    evidence.answer("a bad failure", &failure(channel(address), bearing(request)).await);
    let mut request = poll_request();
    request.action_type_id.as_mut().unwrap().provider = "not a provider".into();
    evidence.answer("a bad poll", &poll(channel(address), bearing(request)).await);
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
            let answer = call_with_usual_secrets(channel(address), operation, "job-1").await;
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
