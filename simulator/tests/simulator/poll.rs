//! `PollForThirdPartyJobs`.

use std::time::Duration;

use codepipeline_simulator::OperationName::PollForThirdPartyJobs as POLL;
use codepipeline_simulator::{ActionType, Config, Job, RedispatchNonce, Simulator};
use serde_json::json;

use crate::{JOB, NONCE, TOKEN, call, poll_input, polled, simulator, with_config};

/// A simulator with the default job, which is `Dispatched`, and queued jobs with these ids.
async fn with_queued(config: Config, ids: &[&str]) -> Simulator {
    let simulator = with_config(config).await;
    for id in ids {
        simulator.add_job(Job::queued(*id, NONCE, TOKEN));
    }
    simulator
}

#[tokio::test]
async fn queued_jobs_become_dispatched() {
    let simulator = with_queued(Config::default(), &["queued"]).await;
    let response = call(&simulator, POLL, &poll_input(10)).await;
    let job = simulator.job("queued").unwrap();
    assert_eq!(response.json(), json!({ "jobs": [{ "clientId": job.client_id, "jobId": "queued" }] }));
    assert_eq!((&*job.status, &*job.nonce), ("Dispatched", NONCE));
    assert_eq!(simulator.ledger("queued").dispatched, 1);
    assert_eq!(call(&simulator, POLL, &poll_input(10)).await.json(), json!({ "jobs": [] }));
}

#[tokio::test]
async fn jobs_come_in_the_order_of_their_arrival() {
    let simulator = with_queued(Config::default(), &["c", "a", "d", "b"]).await;
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(3)).await), ["c", "a", "d"]);
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(3)).await), ["b"]);
}

#[tokio::test]
async fn poll_without_a_batch_size_returns_one_job() {
    let simulator = with_queued(Config::default(), &["a", "b"]).await;
    let mut input = poll_input(1);
    input.as_object_mut().unwrap().remove("maxBatchSize");
    assert_eq!(polled(&call(&simulator, POLL, &input).await), ["a"]);
}

#[tokio::test]
async fn each_action_type_has_its_own_jobs() {
    let known = ActionType::third_party("Build", "Other", "1");
    let config = Config { action_types: vec![known], ..Config::default() };
    let simulator = with_queued(config, &["a"]).await;
    simulator.add_job(
        Job::queued("b", NONCE, TOKEN).with_action_type(ActionType::third_party("Test", "Other", "1")),
    );
    let input = |category: &str, version: &str| {
        let provider = "Other";
        json!({
            "actionTypeId":
                { "category": category, "owner": "ThirdParty", "provider": provider, "version": version },
            "maxBatchSize": 10,
        })
    };
    assert_eq!(polled(&call(&simulator, POLL, &input("Test", "1")).await), ["b"]);
    assert!(polled(&call(&simulator, POLL, &input("Build", "1")).await).is_empty());
    let (code, message) = call(&simulator, POLL, &input("Test", "2")).await.error();
    assert_eq!(
        (&*code, &*message),
        ("ActionTypeNotFoundException", "The specified action type cannot be found.")
    );
}

#[tokio::test]
async fn unacknowledged_job_is_dispatched_again_with_the_same_nonce() {
    let simulator = with_queued(Config::default(), &["queued"]).await;
    simulator.add_job(Job::new(JOB, NONCE, TOKEN).with_status("InProgress"));
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(10)).await), ["queued"]);
    simulator.advance_clock(Duration::from_secs(10));
    assert!(polled(&call(&simulator, POLL, &poll_input(10)).await).is_empty());
    simulator.advance_clock(Duration::from_secs(5));
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(10)).await), ["queued"]);
    assert_eq!(simulator.job("queued").unwrap().nonce, NONCE);
    assert_eq!(simulator.ledger("queued").dispatched, 2);
    // The time starts again.
    assert!(polled(&call(&simulator, POLL, &poll_input(10)).await).is_empty());
}

#[tokio::test]
async fn dispatched_again_can_mean_a_new_nonce() {
    let config = Config {
        redispatch_after: Duration::from_secs(100),
        redispatch_nonce: RedispatchNonce::New,
        ..Config::default()
    };
    let simulator = with_queued(config, &["queued"]).await;
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(10)).await), ["queued"]);
    assert_eq!(simulator.job("queued").unwrap().nonce, NONCE);
    simulator.advance_clock(Duration::from_secs(100));
    // The default job was added as `Dispatched` and counts as dispatched then.
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(10)).await), [JOB, "queued"]);
    let nonce = simulator.job("queued").unwrap().nonce;
    assert!(nonce != NONCE && nonce.len() <= 50, "{nonce}");
}

#[tokio::test]
async fn job_is_dispatched_once_with_an_endless_redispatch_time() {
    let config = Config { redispatch_after: Duration::MAX, ..Config::default() };
    let simulator = with_queued(config, &["queued"]).await;
    assert_eq!(polled(&call(&simulator, POLL, &poll_input(10)).await), ["queued"]);
    simulator.advance_clock(Duration::from_secs(200));
    assert!(polled(&call(&simulator, POLL, &poll_input(10)).await).is_empty());
}

#[tokio::test]
async fn every_violation_of_a_poll_is_reported() {
    let simulator = simulator().await;
    let failed = "failed to satisfy constraint: Member must";
    let action_type = json!({ "category": "Tests", "owner": "", "provider": "", "version": "1.0-abcdefg" });
    let (code, message) =
        call(&simulator, POLL, &json!({ "actionTypeId": action_type, "maxBatchSize": 0 })).await.error();
    assert_eq!(code, "ValidationException");
    let expected = [
        "7 validation errors detected: ".to_owned(),
        format!("Value 'Tests' at 'actionTypeId.category' {failed} satisfy enum value set: "),
        "[Source, Build, Deploy, Test, Invoke, Approval, Compute]; ".to_owned(),
        format!("Value '' at 'actionTypeId.owner' {failed} satisfy enum value set: "),
        "[AWS, ThirdParty, Custom]; ".to_owned(),
        format!("Value '' at 'actionTypeId.provider' {failed} have length greater than or equal to 1; "),
        format!("Value '' at 'actionTypeId.provider' {failed} satisfy regular expression pattern: "),
        "[0-9A-Za-z_-]+; ".to_owned(),
        format!(
            "Value '1.0-abcdefg' at 'actionTypeId.version' {failed} have length less than or equal to 9; "
        ),
        format!(
            "Value '1.0-abcdefg' at 'actionTypeId.version' {failed} satisfy regular expression pattern: "
        ),
        "[0-9A-Za-z_-]+; ".to_owned(),
        format!("Value '0' at 'maxBatchSize' {failed} have value greater than or equal to 1"),
    ];
    assert_eq!(message, expected.concat());

    let (_, message) = call(&simulator, POLL, &json!({})).await.error();
    assert_eq!(message, format!("1 validation error detected: Value at 'actionTypeId' {failed} not be null"));
}

#[tokio::test]
async fn wrong_types_in_a_poll_are_serialization_errors() {
    let simulator = simulator().await;
    let mut input = poll_input(1);
    for (size, text) in [
        (json!("1"), "STRING_VALUE can not be converted to an Integer"),
        (json!(1.5), "NUMBER_VALUE can not be converted to an Integer"),
        (json!(1_u64 << 40), "NUMBER_VALUE can not be converted to an Integer"),
        (json!([]), "Start of structure or map found where not expected."),
    ] {
        input["maxBatchSize"] = size;
        let (code, message) = call(&simulator, POLL, &input).await.error();
        assert_eq!((&*code, &*message), ("SerializationException", text));
    }
    let (_, message) = call(&simulator, POLL, &json!({ "actionTypeId": "Test" })).await.error();
    assert_eq!(message, "Start of structure or map not found where expected.");
}
