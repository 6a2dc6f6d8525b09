//! The lines that `dev` prints, each with what it shows and its result.

use std::net::SocketAddr;

use codepipeline_gateway::methods::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};
use codepipeline_gateway::proto::ArtifactRequest;

use crate::cli::output::{CliError, print_line};

/// A grpcurl line.
struct DemoCall {
    title: &'static str,
    result: &'static str,
    job: &'static str,
    nonce: &'static str,
    token: &'static str,
    options: &'static str,
}

const fn demo_call(title: &'static str, result: &'static str, job: &'static str) -> DemoCall {
    DemoCall { title, result, job, nonce: "nonce-1", token: "token-1", options: "" }
}

/// The calls in the order of the output. The second one needs the first.
const DEMO_CALLS: [DemoCall; 11] = [
    demo_call("acknowledge a job", "OK", "job-1"),
    demo_call("acknowledge it again: another worker was first", "FAILED_PRECONDITION INVALID_NONCE", "job-1"),
    demo_call("a job that doesn't exist", "NOT_FOUND JOB_NOT_FOUND", "job-0"),
    DemoCall {
        token: "token-9",
        ..demo_call("a token that isn't the job's", "PERMISSION_DENIED INVALID_CLIENT_TOKEN", "job-2")
    },
    DemoCall {
        nonce: "",
        token: "",
        ..demo_call("empty fields: the error names all of them", "INVALID_ARGUMENT INVALID_REQUEST", "job-2")
    },
    DemoCall {
        options: "-emit-defaults ",
        ..demo_call(
            "AWS returns a status that the gateway doesn't know: JOB_STATUS_UNSPECIFIED",
            "OK",
            "job-future-status",
        )
    },
    demo_call("AWS throttles all three attempts", "RESOURCE_EXHAUSTED AWS_THROTTLED", "job-throttled"),
    demo_call("AWS fails: the outcome is unknown", "UNKNOWN AWS_UNAVAILABLE", "job-broken"),
    demo_call(
        "AWS accepts the call, and its response is lost",
        "UNKNOWN AWS_CONNECTION_LOST",
        "job-lost-answer",
    ),
    DemoCall {
        options: "-max-time 5 ",
        ..demo_call("AWS is slow, and the deadline passes", "DEADLINE_EXCEEDED DEADLINE_EXCEEDED", "job-slow")
    },
    demo_call("AWS denies the gateway's role", "INTERNAL GATEWAY_ACCESS_DENIED", "job-denied"),
];

/// The calls that take one job to its success and another to its failure, in this order: title,
/// result, method, and request.
const WHOLE_JOB: [(&str, &str, &Method, &str); 7] = [
    (
        "a whole job: wait for jobs of an action type",
        "OK",
        &POLL,
        concat!(
            r#"{"action_type_id":{"category":"Deploy","owner":"ThirdParty","provider":"Demo","#,
            r#""version":"1"},"max_batch_size":2,"wait":"5s"}"#
        ),
    ),
    (
        "read its details, with the nonce",
        "OK",
        &DETAILS,
        r#"{"job_id":"job-whole","client_token":"token-whole"}"#,
    ),
    (
        "acknowledge it",
        "OK",
        &ACKNOWLEDGE,
        r#"{"job_id":"job-whole","nonce":"nonce-whole","client_token":"token-whole"}"#,
    ),
    (
        "report its success",
        "OK",
        &SUCCESS,
        r#"{"job_id":"job-whole","client_token":"token-whole","execution_details":{"summary":"deployed"}}"#,
    ),
    (
        "report a second result of the same job",
        "FAILED_PRECONDITION INVALID_JOB_STATE",
        &FAILURE,
        concat!(
            r#"{"job_id":"job-whole","client_token":"token-whole","failure_details":"#,
            r#"{"type":"FAILURE_TYPE_JOB_FAILED","message":"too late"}}"#
        ),
    ),
    (
        "acknowledge the other job of the poll",
        "OK",
        &ACKNOWLEDGE,
        r#"{"job_id":"job-failing","nonce":"nonce-failing","client_token":"token-failing"}"#,
    ),
    (
        "report its failure",
        "OK",
        &FAILURE,
        concat!(
            r#"{"job_id":"job-failing","client_token":"token-failing","failure_details":"#,
            r#"{"type":"FAILURE_TYPE_JOB_FAILED","message":"a check failed"}}"#
        ),
    ),
];

/// Prints a grpcurl line for each interesting outcome, and the calls of whole jobs.
pub(super) fn print_calls(address: SocketAddr) -> Result<(), CliError> {
    print_line("")?;
    print_line("  # the services: OK")?;
    print_line(format!("  grpcurl -plaintext {address} list"))?;
    print_line("  # the methods and their errors: OK")?;
    print_line(format!("  grpcurl -plaintext {address} describe {}", ACKNOWLEDGE.service))?;
    print_line("  # the health: OK")?;
    print_line(format!("  grpcurl -plaintext {address} grpc.health.v1.Health/Check"))?;
    for DemoCall { title, result, job, nonce, token, options } in &DEMO_CALLS {
        let request = format!(r#"{{"job_id":"{job}","nonce":"{nonce}","client_token":"{token}"}}"#);
        print_call(address, (title, result), &ACKNOWLEDGE, options, &request)?;
    }
    for (title, result, method, request) in WHOLE_JOB {
        print_call(address, (title, result), method, "", request)?;
    }
    Ok(())
}

/// Prints the curl lines that download and upload a job's artifacts.
pub(super) fn print_artifacts(download: &ArtifactRequest, upload: &ArtifactRequest) -> Result<(), CliError> {
    print_line("  # download an input artifact with the request in a job's details, for 14 minutes: OK")?;
    print_line(format!("  curl -sS --fail-with-body {}", curl_arguments(download)))?;
    print_line("  # upload an output artifact with its request: OK")?;
    print_line(format!(
        "  curl -sS --fail-with-body --data-binary 'built by curl' {}",
        curl_arguments(upload)
    ))?;
    print_line("")
}

/// The method, the headers, and the URL. None of them contains a quote.
fn curl_arguments(request: &ArtifactRequest) -> String {
    let mut headers: Vec<_> = request.headers.iter().collect();
    headers.sort();
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("-H '{name}: {value}' ")).collect();
    format!("-X {} {}'{}'", request.method, headers.concat(), request.url)
}

fn print_call(
    address: SocketAddr,
    (title, result): (&str, &str),
    method: &Method,
    options: &str,
    request: &str,
) -> Result<(), CliError> {
    print_line(format!("  # {title}: {result}"))?;
    let name = method.full_name().unwrap_or_default();
    print_line(format!("  grpcurl -plaintext {options}-d '{request}' {address} {name}"))
}
