//! `simulator` and `dev`: the job file, and the lines that `dev` prints.

use std::net::SocketAddr;
use std::time::Duration;

use codepipeline_gateway::proto::{
    AcknowledgeThirdPartyJobRequest, GetThirdPartyJobDetailsRequest, PollForThirdPartyJobsRequest,
};
use codepipeline_simulator::ActionType;
use serde_json::Value;
use tonic::Request;

use crate::harness::answer::upper_snake;
use crate::harness::reflection::reflect_v1;
use crate::harness::{
    Gateway, JobRequest, NONCE, Scratch, TOKEN, channel, command, failure_request, fake_keys, get, poll_for,
    request, settings, success_request, unary, until_serving,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_job_file_is_named_and_exits_with_64() {
    let files = Scratch::new();
    let job = r#"{"id":"a","nonce":"n","client_token":"t"}"#;
    let texts = [
        ("empty.json", String::new()),
        ("cut.json", r#"{"jobs":["#.to_owned()),
        ("twice.json", format!(r#"{{"jobs":[{job},{job}]}}"#)),
        ("misspelled.json", r#"{"jobs":[{"id":"a","nonse":"n","client_token":"t"}]}"#.to_owned()),
        ("empty-id.json", format!(r#"{{"jobs":[{}]}}"#, job.replace(r#""a""#, r#""""#))),
    ];
    for (name, text) in texts {
        let path = files.file(name, &text);
        command(&["simulator", "--jobs", path.to_str().unwrap()]).run().await.failed(64, &["--jobs", name]);
    }
    let missing = files.path().join("missing.json");
    command(&["simulator", "--jobs", missing.to_str().unwrap()])
        .run()
        .await
        .failed(64, &["--jobs", "missing.json"]);
    command(&["simulator", "--jobs", files.path().to_str().unwrap()]).run().await.failed(64, &["--jobs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_file_can_be_acknowledged_at_the_printed_address() {
    let files = Scratch::new();
    let job = format!(r#"{{"id":"job","nonce":"{NONCE}","client_token":"{TOKEN}"}}"#);
    let path = files.file("jobs.json", &format!(r#"{{"jobs":[{job}],"second_acknowledge":"status"}}"#));
    let mut program = command(&["simulator", "--addr=127.0.0.1:0", "--jobs", path.to_str().unwrap()]).start();
    let line = program.out.until(|line| line.contains("AWS_ENDPOINT_URL_CODEPIPELINE=")).await;
    let endpoint = line.split_once("AWS_ENDPOINT_URL_CODEPIPELINE=").unwrap().1.split(' ').next().unwrap();
    let gateway = Gateway::start(endpoint.to_owned(), settings(), Some(fake_keys())).await;
    for _ in 0..2 {
        assert_eq!(gateway.send(request("job")).await.ok().aws_status, "InProgress");
    }
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_dev_prints_has_the_printed_result() {
    let mut program = command(&[
        "dev",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--simulator-addr=127.0.0.1:0",
    ])
    .start();
    let first = program.out.until(|_| true).await;
    let mut addresses =
        first.split([' ', ',']).filter_map(|word| word.trim_end_matches('.').parse::<SocketAddr>().ok());
    let (gateway, simulator) =
        (addresses.next().expect("the gateway's"), addresses.next().expect("the simulator's"));
    program.out.until(str::is_empty).await;
    program.out.until(str::is_empty).await;

    until_serving(gateway).await;
    assert!(get(simulator, "/_simulator/jobs", "*/*").await.0.starts_with("HTTP/1.1 200"));
    let lines: Vec<&str> = program.out.seen.iter().map(|line| line.trim()).collect();
    let mut tried = 0;
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("# ")) {
        let (comment, line) = (pair[0], pair[1]);
        if line.starts_with("curl ") {
            continue;
        }
        assert!(line.starts_with("grpcurl -plaintext ") && line.contains(&gateway.to_string()), "{line}");
        let Some((options, rest)) = line.split_once("-d '") else {
            continue;
        };
        let json: Value = serde_json::from_str(rest.split_once('\'').unwrap().0).unwrap();
        let (_, method) = line.rsplit_once('/').unwrap();
        let timeout = options.split_once("-max-time ").map(|(_, seconds)| seconds.trim().parse().unwrap());
        let seen = call_as_printed(gateway, method, &json, timeout.map(Duration::from_secs)).await;
        assert!(comment.ends_with(&format!(": {seen}")), "{comment}\n{line}\n{seen}");
        tried += 1;
    }
    assert!(tried >= 18, "{lines:#?}");
    reflect_v1(channel(gateway), "list").await;
    program.signal("INT");
    program.signal("INT");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0));
    for unwanted in ["ServerReflection", "cross the network", "any client", "may call"] {
        assert!(!ended.err.contains(unwanted), "{unwanted}: {}", ended.err);
    }
}

/// Makes a call with the printed request, and returns its result as `dev` prints it.
async fn call_as_printed(
    gateway: SocketAddr,
    method: &str,
    json: &Value,
    timeout: Option<Duration>,
) -> String {
    let field = |name: &str| json[name].as_str().unwrap().to_owned();
    match method {
        "PollForThirdPartyJobs" => {
            let id = &json["action_type_id"];
            let part = |name: &str| id[name].as_str().unwrap().to_owned();
            let action_type = ActionType::third_party(part("category"), part("provider"), part("version"));
            let batch = json["max_batch_size"].as_i64().map(|size| size.try_into().unwrap());
            let request = PollForThirdPartyJobsRequest { max_batch_size: batch, ..poll_for(&action_type) };
            result_of(gateway, request, timeout).await
        }
        "GetThirdPartyJobDetails" => {
            let (job_id, client_token) = (field("job_id"), field("client_token"));
            result_of(gateway, GetThirdPartyJobDetailsRequest { job_id, client_token }, timeout).await
        }
        "AcknowledgeThirdPartyJob" => {
            let (job_id, nonce, client_token) = (field("job_id"), field("nonce"), field("client_token"));
            let request = AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token };
            result_of(gateway, request, timeout).await
        }
        "PutThirdPartyJobSuccessResult" => {
            let mut request = success_request(&field("job_id"));
            request.client_token = field("client_token");
            result_of(gateway, request, timeout).await
        }
        "PutThirdPartyJobFailureResult" => {
            let mut request = failure_request(&field("job_id"));
            request.client_token = field("client_token");
            result_of(gateway, request, timeout).await
        }
        other => panic!("an unknown method: {other}"),
    }
}

/// The result of a call: `OK`, or the code and the reason of its error.
async fn result_of<Q: JobRequest>(gateway: SocketAddr, message: Q, timeout: Option<Duration>) -> String {
    let mut request = Request::new(message);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let answer = unary(channel(gateway), request).await;
    match &answer.result {
        Ok(_) => "OK".to_owned(),
        Err(status) => format!("{} {}", upper_snake(&format!("{:?}", status.code())), answer.reason()),
    }
}
