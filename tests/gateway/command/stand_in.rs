//! `simulator` and `dev`: the stand-in, its job file, the lines to paste.

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use tonic::Code;
use tonic::Request;

use crate::harness::{Gateway, NONCE, TOKEN, fake_keys, request, settings};
use crate::process::{PATIENCE, Scratch, command, send, until_serving};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_file_that_can_not_be_used_gives_64_and_one_line_with_its_name() {
    let files = Scratch::new();
    let job = r#"{"id":"a","nonce":"n","client_token":"t"}"#;
    let texts = [
        ("empty.json", String::new()),
        ("cut.json", r#"{"jobs":["#.to_owned()),
        ("twice.json", format!(r#"{{"jobs":[{job},{job}]}}"#)),
        ("misspelt.json", r#"{"jobs":[{"id":"a","nonse":"n","client_token":"t"}]}"#.to_owned()),
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
async fn a_job_of_the_file_can_be_acknowledged_at_the_address_that_is_printed() {
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
async fn every_line_that_dev_prints_does_what_it_says() {
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
    assert!(get(simulator, "/_simulator/jobs").starts_with("HTTP/1.1 200"));
    let lines: Vec<&str> = program.out.seen.iter().map(|line| line.trim()).collect();
    let mut tried = 0;
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("# ")) {
        let (says, line) = (pair[0], pair[1]);
        assert!(line.starts_with("grpcurl -plaintext ") && line.contains(&gateway.to_string()), "{line}");
        let Some((options, rest)) = line.split_once("-d '") else {
            continue;
        };
        let json: Value = serde_json::from_str(rest.split_once('\'').unwrap().0).unwrap();
        let field = |name: &str| json[name].as_str().unwrap().to_owned();
        let (job_id, nonce, client_token) = (field("job_id"), field("nonce"), field("client_token"));
        let mut request = Request::new(AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token });
        if let Some((_, seconds)) = options.split_once("-max-time ") {
            request.set_timeout(Duration::from_secs(seconds.trim().parse().unwrap()));
        }
        let answer = send(gateway, request).await;
        let got = match &answer.result {
            Ok(_) => "OK".to_owned(),
            Err(status) => format!("{} {}", screaming(status.code()), answer.reason()),
        };
        assert!(says.ends_with(&format!(": {got}")), "{says}\n{line}\n{answer:?}");
        tried += 1;
    }
    assert!(tried >= 10, "{lines:#?}");
    program.signal("INT");
    program.signal("INT");
    assert_eq!(program.end().await.code, Some(0));
}

/// `FailedPrecondition` → `FAILED_PRECONDITION`.
fn screaming(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
