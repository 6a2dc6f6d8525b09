//! The gateway's request to AWS equals the generated client's, except for the differences listed
//! here.

use std::collections::BTreeMap;

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_codepipeline::primitives::DateTime;
use aws_sdk_codepipeline::types;
use codepipeline_gateway::codepipeline::AwsOperation;
use codepipeline_gateway::operations::{Acknowledge, Details, Failure, Poll, Success};
use codepipeline_gateway::proto::{
    self, AcknowledgeThirdPartyJobRequest, PutThirdPartyJobFailureResultRequest,
    PutThirdPartyJobSuccessResultRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::port::Port;
use crate::harness::{
    PATIENCE, REGION, TOKEN, details_request, failure_request, fake_keys, loopback, poll_request, settings,
    success_request, within,
};

/// A request on the wire.
#[derive(Debug, PartialEq)]
struct WireRequest {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Reads one request, and sends this response.
async fn capture(listener: &TcpListener, response: &str) -> WireRequest {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    loop {
        let mut bytes = [0; 4096];
        let read = socket.read(&mut bytes).await.unwrap();
        assert!(read > 0, "the request ends early: {text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let (line, headers) = head.split_once("\r\n").unwrap();
        let headers: BTreeMap<String, String> = headers
            .lines()
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if body.len() < headers["content-length"].parse().unwrap() {
            continue;
        }
        let length = response.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n";
        let response = format!("{head}content-length: {length}\r\n\r\n{response}");
        socket.write_all(response.as_bytes()).await.unwrap();
        return WireRequest { line: line.to_owned(), headers, body: body.to_owned() };
    }
}

/// Makes a call with the gateway's own client.
async fn call_with_gateway<O: AwsOperation>(endpoint: String, request: O::Request) {
    let port = Port::new(endpoint, settings().aws).await;
    assert!(port.call::<O>(request).await.is_ok());
}

/// The generated client, configured for single attempts.
fn generated_client(endpoint: &str) -> Client {
    let keys = fake_keys();
    let credentials =
        Credentials::new(keys.access_key_id, keys.secret_access_key, keys.session_token, None, "fixed");
    let config = aws_sdk_codepipeline::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

/// Both requests of one call.
async fn both<O: AwsOperation>(
    request: O::Request,
    generated: impl AsyncFnOnce(Client),
    response: &str,
) -> (WireRequest, WireRequest) {
    let listener = loopback().await;
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let both = async {
        let (ours, ()) =
            tokio::join!(capture(&listener, response), call_with_gateway::<O>(endpoint.clone(), request));
        let (theirs, ()) = tokio::join!(capture(&listener, response), generated(generated_client(&endpoint)));
        (ours, theirs)
    };
    within("both requests", PATIENCE, both).await
}

/// Checks and removes the known differences, and asserts that the rest is equal.
async fn assert_same<O: AwsOperation>(request: O::Request, generated: impl AsyncFnOnce(Client)) {
    let (mut ours, mut theirs) = both::<O>(request, generated, "{}").await;
    let target = format!("CodePipeline_20150709.{}", O::METHOD.name);
    assert_eq!(ours.headers["x-amz-target"], target);
    // The times and the signatures differ. The lists of signed headers differ by the headers below.
    let signed = |request: &mut WireRequest| {
        request.headers.remove("x-amz-date").unwrap();
        let authorization = request.headers.remove("authorization").unwrap();
        let signed = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        signed.split(';').map(str::to_owned).collect::<Vec<_>>()
    };
    let (our_signed, mut their_signed) = (signed(&mut ours), signed(&mut theirs));
    // These headers number the SDK's own retries. The gateway doesn't use them.
    for name in ["amz-sdk-invocation-id", "amz-sdk-request"] {
        theirs.headers.remove(name).unwrap();
        their_signed.retain(|signed| signed != name);
    }
    // The gateway sends the full user agent once, as the unsigned `user-agent`. It omits the
    // features that the generated client counts (`m/…`) and the name of the HTTP client
    // (`md/http#…`).
    theirs.headers.remove("user-agent").unwrap();
    let full = theirs.headers.remove("x-amz-user-agent").unwrap();
    their_signed.retain(|signed| signed != "x-amz-user-agent");
    let expected = full.split(' ').filter(|part| !part.starts_with("m/") && !part.starts_with("md/http"));
    let user_agent = ours.headers.remove("user-agent").unwrap();
    assert_eq!(user_agent.split(' ').collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(user_agent.contains("aws-sdk-rust") && user_agent.contains("api/codepipeline"), "{user_agent}");

    assert_eq!(our_signed, their_signed);
    assert_eq!(ours, theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledge_is_sent_as_the_generated_client_sends_it() {
    let request = AcknowledgeThirdPartyJobRequest {
        job_id: "job-ü".into(),
        nonce: "nonce-1".into(),
        client_token: "token \"1\"".into(),
    };
    let generated = async |client: Client| {
        let call = client.acknowledge_third_party_job();
        let call = call.job_id("job-ü").nonce("nonce-1").client_token("token \"1\"");
        call.send().await.unwrap();
    };
    assert_same::<Acknowledge>(request, generated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_sent_as_the_generated_client_sends_it() {
    let action_type = types::ActionTypeId::builder()
        .category(types::ActionCategory::Test)
        .owner(types::ActionOwner::ThirdParty)
        .provider("FakeProvider")
        .version("1")
        .build()
        .unwrap();
    for max_batch_size in [None, Some(1), Some(100)] {
        let request = proto::PollForThirdPartyJobsRequest { max_batch_size, ..poll_request() };
        let action_type = action_type.clone();
        assert_same::<Poll>(request, async |client| {
            let call = client.poll_for_third_party_jobs().action_type_id(action_type);
            call.set_max_batch_size(max_batch_size).send().await.unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_requested_as_the_generated_client_does() {
    assert_same::<Details>(details_request("job-ü"), async |client| {
        client.get_third_party_job_details().job_id("job-ü").client_token(TOKEN).send().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_sent_as_the_generated_client_sends_it() {
    assert_same::<Success>(success_request("job-1"), async |client| {
        let call = client.put_third_party_job_success_result().job_id("job-1").client_token(TOKEN);
        call.send().await.unwrap();
    })
    .await;
    for (seconds, nanos, percent) in [(1_700_000_000, 0, 0), (-1, 123_456_789, 7), (0, 999_999_999, 100)] {
        let (signed, unsigned) = (i32::try_from(nanos).unwrap(), nanos);
        let request = PutThirdPartyJobSuccessResultRequest {
            current_revision: Some(proto::CurrentRevision {
                revision: "rev \"ü\"".into(),
                change_identifier: "change\n".into(),
                created: Some(prost_types::Timestamp { seconds, nanos: signed }),
                revision_summary: "summary".into(),
            }),
            continuation_token: Some("continue 🦀".into()),
            execution_details: Some(proto::ExecutionDetails {
                summary: "done".into(),
                external_execution_id: "exec".into(),
                percent_complete: Some(percent),
            }),
            ..success_request("job-1")
        };
        let revision = types::CurrentRevision::builder()
            .revision("rev \"ü\"")
            .change_identifier("change\n")
            .created(DateTime::from_secs_and_nanos(seconds, unsigned))
            .revision_summary("summary")
            .build()
            .unwrap();
        let details = types::ExecutionDetails::builder()
            .summary("done")
            .external_execution_id("exec")
            .percent_complete(percent)
            .build();
        assert_same::<Success>(request, async |client| {
            let call = client.put_third_party_job_success_result().job_id("job-1").client_token(TOKEN);
            let call = call.current_revision(revision).continuation_token("continue 🦀");
            call.execution_details(details).send().await.unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_sent_as_the_generated_client_sends_it() {
    for kind in 1..=6 {
        let types = types::FailureType::values();
        let name = proto::FailureType::try_from(kind).unwrap().as_str_name();
        let bare = |text: &str| text.replace('_', "").to_lowercase();
        let of_kind = |value: &&&str| bare(name).ends_with(&bare(value));
        let value = *types.iter().find(of_kind).unwrap();
        let id = (kind % 2 == 0).then(|| "exec-1".to_owned());
        let request = PutThirdPartyJobFailureResultRequest {
            failure_details: Some(proto::FailureDetails {
                r#type: kind,
                message: "it \"broke\" ü".into(),
                external_execution_id: id.clone().unwrap_or_default(),
            }),
            ..failure_request("job-1")
        };
        let details = types::FailureDetails::builder()
            .r#type(value.into())
            .message("it \"broke\" ü")
            .set_external_execution_id(id)
            .build()
            .unwrap();
        assert_same::<Failure>(request, async |client| {
            let call = client.put_third_party_job_failure_result().job_id("job-1").client_token(TOKEN);
            call.failure_details(details).send().await.unwrap();
        })
        .await;
    }
}
