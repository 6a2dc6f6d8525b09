//! The simulator over real sockets, called by a client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports a failure by a panic")]

mod acknowledge;
mod bucket;
mod bucket_client;
mod bucket_limits;
mod bucket_signatures;
mod client;
mod connections;
mod control;
mod details;
mod failure;
mod faults;
mod job_file;
mod lifecycle;
mod operation_faults;
mod poll;
mod signatures;
mod success;
mod wire;

use std::time::Duration;

use codepipeline_simulator::{Config, Job, OperationName, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

const JOB: &str = "job-1";
const NONCE: &str = "fake-nonce";
const TOKEN: &str = "fake-client-token";

/// Awaits a future, and panics after a minute.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("a wait that ends")
}

/// A simulator with one job.
async fn simulator() -> Simulator {
    with_config(Config::default()).await
}

async fn with_config(config: Config) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(listener, config).unwrap();
    simulator.add_job(job());
    simulator
}

fn job() -> Job {
    Job::new(JOB, NONCE, TOKEN)
}

/// The response to a call of any operation. Its clock is this many seconds ahead.
async fn call_at(
    simulator: &Simulator,
    ahead: i64,
    operation: OperationName,
    body: &Value,
) -> client::Response {
    let call = client::Call { ahead, ..client::Call::operation(operation, body) };
    call.send(simulator.addr()).await.unwrap()
}

/// The response to a call of any operation.
async fn call(simulator: &Simulator, operation: OperationName, body: &Value) -> client::Response {
    call_at(simulator, 0, operation, body).await
}

/// The input of a poll for the default action type.
fn poll_input(max_batch_size: i32) -> Value {
    let action_type =
        json!({ "category": "Test", "owner": "ThirdParty", "provider": "FakeProvider", "version": "1" });
    json!({ "actionTypeId": action_type, "maxBatchSize": max_batch_size })
}

/// The input of the operations that take a job id and a client token.
fn job_input(job_id: &str) -> Value {
    json!({ "jobId": job_id, "clientToken": TOKEN })
}

/// The job ids in the response to a poll.
fn polled(response: &client::Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.body);
    let body = response.json();
    let jobs = body["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["jobId"].as_str().unwrap().to_owned()).collect()
}
