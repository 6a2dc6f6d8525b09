//! `AcknowledgeThirdPartyJob`: the decision on a job.

use codepipeline_simulator::{AnswerStatus, Config, Job, SecondAcknowledge};
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::Call;
use crate::{JOB, NONCE, TOKEN, job, simulator, with_config};

#[tokio::test]
async fn first_acknowledge_puts_a_job_in_progress() {
    let simulator = simulator().await;
    let response = Call::default().send(simulator.addr()).await.unwrap();
    assert_eq!((response.status, response.json()), (200, json!({ "status": "InProgress" })));
    assert_eq!(simulator.job(JOB).unwrap().status, "InProgress");
    assert_eq!(simulator.acknowledged(JOB), 1);
}

#[tokio::test]
async fn second_acknowledge_is_an_invalid_nonce() {
    let simulator = simulator().await;
    Call::default().send(simulator.addr()).await.unwrap();
    let response = Call::default().send(simulator.addr()).await.unwrap();
    assert_eq!(response.error_code(), "InvalidNonceException");
    assert_eq!(simulator.acknowledged(JOB), 1);
}

#[tokio::test]
async fn second_acknowledge_returns_the_status_on_request() {
    let config = Config { second_acknowledge: SecondAcknowledge::Status, ..Config::default() };
    let simulator = with_config(config).await;
    simulator.add_job(job().with_status("Succeeded"));
    for _ in 0..2 {
        let response = Call::default().send(simulator.addr()).await.unwrap();
        assert_eq!(response.json(), json!({ "status": "Succeeded" }));
    }
    assert_eq!(simulator.acknowledged(JOB), 2);
    let response = Call::of(JOB, "other", TOKEN).send(simulator.addr()).await.unwrap();
    assert_eq!(response.error_code(), "InvalidNonceException");
}

#[tokio::test]
async fn only_a_dispatched_job_can_be_acknowledged() {
    let simulator = simulator().await;
    for status in ["Created", "Queued", "InProgress", "TimedOut", "Succeeded", "Failed", "Paused"] {
        simulator.add_job(job().with_status(status));
        let response = Call::default().send(simulator.addr()).await.unwrap();
        assert_eq!(response.error_code(), "InvalidNonceException", "{status}");
        assert_eq!(simulator.job(JOB).unwrap().status, status);
    }
}

#[tokio::test]
async fn checks_are_job_then_token_then_nonce() {
    let simulator = simulator().await;
    for (id, nonce, token, code) in [
        ("other", "other", "other", "JobNotFoundException"),
        (JOB, "other", "other", "InvalidClientTokenException"),
        (JOB, NONCE, "other", "InvalidClientTokenException"),
        (JOB, "other", TOKEN, "InvalidNonceException"),
    ] {
        let response = Call::of(id, nonce, token).send(simulator.addr()).await.unwrap();
        assert_eq!(response.error_code(), code);
    }
    assert_eq!(simulator.job(JOB).unwrap().status, "Dispatched");
    assert_eq!(simulator.acknowledged(JOB), 0);
}

#[tokio::test]
async fn response_can_have_any_status_or_none() {
    let simulator = simulator().await;
    simulator.add_job(job().with_answer_status(AnswerStatus::Raw("Paused".to_owned())));
    simulator.add_job(Job::new("job-2", NONCE, TOKEN).with_answer_status(AnswerStatus::Omitted));
    let paused = Call::default().send(simulator.addr()).await.unwrap();
    let none = Call::of("job-2", NONCE, TOKEN).send(simulator.addr()).await.unwrap();
    assert_eq!((paused.status, paused.json()), (200, json!({ "status": "Paused" })));
    assert_eq!((none.status, none.json()), (200, json!({})));
    assert_eq!(simulator.job(JOB).unwrap().status, "InProgress");
}

#[tokio::test]
async fn replaced_job_has_no_history() {
    let simulator = simulator().await;
    Call::default().send(simulator.addr()).await.unwrap();
    simulator.add_job(job());
    assert_eq!((simulator.job(JOB), simulator.acknowledged(JOB)), (Some(job()), 0));
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_of_many_concurrent_acknowledges_succeeds() {
    let simulator = simulator().await;
    let addr = simulator.addr();
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        calls.spawn(async move { Call::default().send(addr).await.unwrap() });
    }
    let responses = calls.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    assert!(lost.iter().all(|response| response.error_code() == "InvalidNonceException"));
    assert_eq!(simulator.acknowledged(JOB), 1);
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?} {:?}", job(), Config::default());
    assert!(shown.contains(JOB) && shown.contains("AKIAFAKEFAKEFAKEFAKE"));
    for secret in [NONCE, TOKEN, "fake-secret-access-key"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
