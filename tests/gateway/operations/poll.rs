//! PollForThirdPartyJobs: the jobs that a worker gets, the batch size, and the action type.

use codepipeline_gateway::proto::{
    ActionTypeId, PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse,
};
use codepipeline_simulator::{Fault, Job, OperationName};
use tonic::Code;

use crate::harness::{Answer, NONCE, TOKEN, World, action_type, poll_request};
use crate::requests::assert_invalid;

const POLL: OperationName = OperationName::PollForThirdPartyJobs;

type Polled = Answer<PollForThirdPartyJobsResponse>;

/// The same request for another action type.
fn with_action_type(action_type_id: ActionTypeId) -> PollForThirdPartyJobsRequest {
    PollForThirdPartyJobsRequest { action_type_id: Some(action_type_id), ..poll_request() }
}

fn with_batch_size(max_batch_size: Option<i32>) -> PollForThirdPartyJobsRequest {
    PollForThirdPartyJobsRequest { max_batch_size, ..poll_request() }
}

fn jobs(answer: &Polled) -> Vec<(&str, &str)> {
    answer.ok().jobs.iter().map(|job| (job.job_id.as_str(), job.client_id.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_returns_jobs_with_their_clients_and_dispatches_them() {
    let world = World::start().await;
    for (id, client) in [("job-1", "client-a"), ("job-ü", "client-b")] {
        world.simulator.add_job(Job { client_id: client.into(), ..Job::queued(id, NONCE, TOKEN) });
    }
    world.simulator.add_job(
        Job::queued("other", NONCE, TOKEN).with_action_type(codepipeline_simulator::ActionType::third_party(
            "Build",
            "OtherProvider",
            "2",
        )),
    );
    let answer = world.gateway.send(poll_request()).await;
    assert_eq!(jobs(&answer), [("job-1", "client-a"), ("job-ü", "client-b")]);
    let seen = world.simulator.requests();
    assert_eq!(answer.header("x-amzn-requestid"), Some(seen[0].request_id.as_str()));
    let status = |id: &str| world.simulator.job(id).unwrap().status;
    assert_eq!([status("job-1"), status("job-ü"), status("other")], ["Dispatched", "Dispatched", "Queued"]);

    let other = ActionTypeId {
        category: "Build".into(),
        owner: "ThirdParty".into(),
        provider: "OtherProvider".into(),
        version: "2".into(),
    };
    assert_eq!(jobs(&world.gateway.send(with_action_type(other)).await)[0].0, "other");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_jobs_a_poll_is_ok_and_empty() {
    let world = World::start().await;
    world.simulator.add_job(Job::new("job-1", NONCE, TOKEN).with_status("InProgress"));
    assert!(jobs(&world.gateway.send(poll_request()).await).is_empty());
    for text in ["", "{}", r#"{"jobs":null}"#, r#"{"jobs":[]}"#, r#"{"jobs":[],"new":{"member":[1]}}"#] {
        world.simulator.fault_operation(POLL, 1, Fault::answer(200, text));
        assert!(jobs(&world.gateway.send(poll_request()).await).is_empty(), "{text}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_its_ids_is_still_a_job() {
    let world = World::start().await;
    world.simulator.fault_operation(
        POLL,
        1,
        Fault::answer(200, r#"{"jobs":[{},{"jobId":"a","clientId":null}]}"#),
    );
    assert_eq!(jobs(&world.gateway.send(poll_request()).await), [("", ""), ("a", "")]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batch_size_reaches_aws() {
    let world = World::start().await;
    for number in 0..103 {
        world.simulator.add_job(Job::queued(format!("job-{number}"), NONCE, TOKEN));
    }
    for (size, count) in [(Some(1), 1), (None, 1), (Some(100), 100), (Some(100), 1)] {
        let answer = world.gateway.send(with_batch_size(size)).await;
        assert_eq!(jobs(&answer).len(), count, "a batch of {size:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_outside_1_to_100_is_rejected() {
    let world = World::start().await;
    for size in [0, 101, -1, i32::MIN, i32::MAX] {
        let answer = world.gateway.send(with_batch_size(Some(size))).await;
        assert_invalid(&answer, &format!("a batch of {size}"));
        assert_eq!(answer.violated_fields(), ["max_batch_size"], "a batch of {size}");
        let message = "The request is invalid: max_batch_size must be from 1 to 100.";
        assert_eq!(answer.status().message(), message);
    }
    assert_eq!(world.request_count(), 0);
    world.stop().await;
}

const PATHS: [&str; 4] =
    ["action_type_id.category", "action_type_id.owner", "action_type_id.provider", "action_type_id.version"];

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_together() {
    let world = World::start().await;
    let missing = world.gateway.send(PollForThirdPartyJobsRequest::default()).await;
    assert_invalid(&missing, "no action type");
    assert_eq!(missing.violated_fields(), PATHS);

    let mut request = with_action_type(ActionTypeId {
        category: "Test/ThirdParty".into(),
        owner: String::new(),
        provider: "p".repeat(36),
        version: "v".repeat(10),
    });
    request.max_batch_size = Some(0);
    let answer = world.gateway.send(request).await;
    assert_invalid(&answer, "all wrong");
    assert_eq!(answer.violated_fields(), [&PATHS[..], &["max_batch_size"]].concat());
    assert_eq!(world.request_count(), 0);
    world.stop().await;
}

/// Sets one part of an action type.
type SetPart = fn(&mut ActionTypeId, String);

const PARTS: [(SetPart, usize); 4] = [
    (|id, text| id.category = text, 35),
    (|id, text| id.owner = text, 35),
    (|id, text| id.provider = text, 35),
    (|id, text| id.version = text, 9),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_an_action_type_has_exact_limits() {
    let world = World::start().await;
    for ((set, max), path) in PARTS.into_iter().zip(PATHS) {
        let valid = ["x".into(), "_".into(), "-9".into(), "x".repeat(max)];
        let invalid = ["", " ", "a b", "a/b", "a*", "é", "a\n", "a\0", "\u{301}", "🦀"];
        let invalid = invalid.into_iter().map(str::to_owned).chain(["x".repeat(max + 1), "x".repeat(60_000)]);
        let rows = valid.into_iter().map(|text| (text, true)).chain(invalid.map(|text| (text, false)));
        for (text, is_valid) in rows {
            let mut id = action_type();
            set(&mut id, text.clone());
            let answer = world.gateway.send(with_action_type(id)).await;
            let what = format!("{text:.40?} as {path}");
            assert_eq!(answer.attempts(), u32::from(is_valid), "{what}");
            if !is_valid {
                assert_invalid(&answer, &what);
                assert_eq!(answer.violated_fields(), [path], "{what}");
            }
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_type_that_makes_no_sense_is_an_error_of_aws() {
    let world = World::start().await;
    let mut no_category = action_type();
    no_category.category = "Sourcery".into();
    let answer = world.gateway.send(with_action_type(no_category)).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::InvalidArgument, "VALIDATION_FAILED"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("rejected", 1));
    assert_eq!(answer.violated_fields(), ["action_type_id.category"]);

    // AWS's names have a case, and no job has this action type.
    let mut unknown = action_type();
    unknown.provider = "fakeprovider".into();
    let answer = world.gateway.send(with_action_type(unknown)).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::NotFound, "ACTION_TYPE_NOT_FOUND"));
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("rejected", 1));
    let details = answer.details();
    let resource = details.resource_info().unwrap();
    assert_eq!(resource.resource_type, "codepipeline.ActionType");
    assert_eq!(resource.resource_name, "Test/ThirdParty/fakeprovider/1");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_a_poll_is_read_up_to_64_kib() {
    let world = World::start().await;
    let head = r#"{"jobs":[{"jobId":"job-1"}],"new":""#;
    for (length, fits) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let text = format!("{head}{}\"}}", "x".repeat(length - head.len() - 2));
        world.simulator.fault_operation(POLL, 1, Fault::answer(200, text));
        let answer = world.gateway.send(poll_request()).await;
        if fits {
            assert_eq!(jobs(&answer), [("job-1", "")]);
        } else {
            assert_eq!((answer.code(), answer.reason().as_str()), (Code::Internal, "AWS_BAD_RESPONSE"));
            assert_eq!((answer.outcome().as_str(), answer.attempts()), ("unknown", 1));
        }
    }
    world.stop().await;
}
