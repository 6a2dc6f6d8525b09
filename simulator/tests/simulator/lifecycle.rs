//! Jobs from the first poll to their end.

use std::time::Duration;

use codepipeline_simulator::OperationName::{
    AcknowledgeThirdPartyJob, GetThirdPartyJobDetails, PollForThirdPartyJobs, PutThirdPartyJobFailureResult,
    PutThirdPartyJobSuccessResult,
};
use codepipeline_simulator::{Config, Job, JobResult, RedispatchNonce, Simulator};
use serde_json::{Value, json};

use crate::{NONCE, TOKEN, call, job_input, poll_input, polled, with_config};

/// A simulator with one queued job. The default job has ended.
async fn with_queued(config: Config, job: Job) -> Simulator {
    let simulator = with_config(config).await;
    simulator.add_job(crate::job().with_status("Succeeded"));
    simulator.add_job(job);
    simulator
}

fn queued() -> Job {
    Job::queued("queued", NONCE, TOKEN)
}

async fn poll(simulator: &Simulator) -> Vec<String> {
    polled(&call(simulator, PollForThirdPartyJobs, &poll_input(10)).await)
}

async fn details(simulator: &Simulator, job_id: &str) -> Value {
    call(simulator, GetThirdPartyJobDetails, &job_input(job_id)).await.json()["jobDetails"].take()
}

/// The status in the response, or the error code.
async fn acknowledge(simulator: &Simulator, job_id: &str, nonce: &Value) -> String {
    let mut input = job_input(job_id);
    input["nonce"] = nonce.clone();
    let body = call(simulator, AcknowledgeThirdPartyJob, &input).await.json();
    body["status"].as_str().or(body["__type"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn job_is_polled_read_acknowledged_and_succeeds() {
    let simulator = with_queued(Config::default(), queued()).await;
    assert_eq!(poll(&simulator).await, ["queued"]);
    let job = details(&simulator, "queued").await;
    assert_eq!(acknowledge(&simulator, "queued", &job["nonce"]).await, "InProgress");
    // A worker reads the job again for new credentials.
    assert_eq!(details(&simulator, "queued").await["nonce"], job["nonce"]);
    let put = call(&simulator, PutThirdPartyJobSuccessResult, &job_input("queued")).await;
    assert_eq!(put.status, 200);
    let ledger = simulator.ledger("queued");
    assert_eq!((ledger.dispatched, ledger.acknowledged, ledger.results.len()), (1, 1, 1));
    simulator.advance_clock(Duration::from_secs(100));
    assert!(poll(&simulator).await.is_empty());
}

#[tokio::test]
async fn continued_action_is_a_second_job_with_the_token() {
    let simulator = with_queued(Config::default(), queued()).await;
    let mut id = "queued".to_owned();
    for token in [Some("fake-1"), Some("fake-2"), None] {
        assert_eq!(poll(&simulator).await, [&*id]);
        let job = details(&simulator, &id).await;
        assert_eq!(acknowledge(&simulator, &id, &job["nonce"]).await, "InProgress");
        let mut input = job_input(&id);
        input["continuationToken"] = json!(token);
        let put = call(&simulator, PutThirdPartyJobSuccessResult, &input).await;
        assert_eq!(put.status, 200);
        let results = simulator.ledger(&id).results;
        let [JobResult::Success { next_job_id, .. }] = &*results else { panic!("{results:?}") };
        assert_eq!(next_job_id.is_some(), token.is_some());
        let Some(next) = next_job_id else { break };
        id.clone_from(next);
        assert_eq!(simulator.job(&id).unwrap().continuation_token.as_deref(), token);
    }
    assert_eq!(token_of_ended_job(&simulator, &id).await, "fake-2");
    assert!(poll(&simulator).await.is_empty());
}

/// The continuation token of an ended job. An ended job has no details.
async fn token_of_ended_job(simulator: &Simulator, id: &str) -> String {
    let response = call(simulator, GetThirdPartyJobDetails, &job_input(id)).await;
    assert_eq!(response.error_code(), "InvalidJobException");
    simulator.job(id).unwrap().continuation_token.unwrap()
}

#[tokio::test]
async fn job_fails_and_ends() {
    let simulator = with_queued(Config::default(), queued()).await;
    assert_eq!(poll(&simulator).await, ["queued"]);
    assert_eq!(acknowledge(&simulator, "queued", &json!(NONCE)).await, "InProgress");
    let mut input = job_input("queued");
    input["failureDetails"] = json!({ "type": "JobFailed", "message": "m" });
    assert_eq!(call(&simulator, PutThirdPartyJobFailureResult, &input).await.status, 200);
    let success = call(&simulator, PutThirdPartyJobSuccessResult, &job_input("queued")).await;
    assert_eq!(success.error_code(), "InvalidJobStateException");
    let ledger = simulator.ledger("queued");
    assert!(matches!(&*ledger.results, [JobResult::Failure(_)]), "{ledger:?}");
}

#[tokio::test]
async fn job_dispatched_again_keeps_its_nonce() {
    let simulator = with_queued(Config::default(), queued()).await;
    assert_eq!(poll(&simulator).await, ["queued"]);
    let nonce = details(&simulator, "queued").await["nonce"].take();
    simulator.advance_clock(Duration::from_secs(15));
    assert_eq!(poll(&simulator).await, ["queued"]);
    assert_eq!(acknowledge(&simulator, "queued", &nonce).await, "InProgress");
    assert_eq!(acknowledge(&simulator, "queued", &nonce).await, "InvalidNonceException");
}

#[tokio::test]
async fn new_nonce_invalidates_the_earlier_one() {
    let config = Config { redispatch_nonce: RedispatchNonce::New, ..Config::default() };
    let simulator = with_queued(config, queued()).await;
    assert_eq!(poll(&simulator).await, ["queued"]);
    let earlier = details(&simulator, "queued").await["nonce"].take();
    simulator.advance_clock(Duration::from_secs(15));
    assert_eq!(poll(&simulator).await, ["queued"]);
    assert_eq!(acknowledge(&simulator, "queued", &earlier).await, "InvalidNonceException");
    let nonce = details(&simulator, "queued").await["nonce"].take();
    assert_eq!(acknowledge(&simulator, "queued", &nonce).await, "InProgress");
}

#[tokio::test]
async fn job_times_out_on_the_simulators_clock() {
    let job = Job { timeout_seconds: Some(60), ..queued() };
    let simulator = with_queued(Config::default(), job).await;
    assert_eq!(poll(&simulator).await, ["queued"]);
    simulator.advance_clock(Duration::from_secs(100));
    assert_eq!(acknowledge(&simulator, "queued", &json!(NONCE)).await, "InProgress");
    simulator.advance_clock(Duration::from_secs(60));
    let put = call(&simulator, PutThirdPartyJobSuccessResult, &job_input("queued")).await;
    assert_eq!(put.error_code(), "InvalidJobStateException");
    assert_eq!(simulator.job("queued").unwrap().status, "TimedOut");
}
