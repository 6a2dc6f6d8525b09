//! The details of an error, its message, and the list of all reasons.

use std::collections::BTreeSet;
use std::time::Duration;

use codepipeline_gateway::error::Reason;
use codepipeline_simulator::{ErrorFault, Fault, OperationName};
use tonic::Code::ResourceExhausted;

use super::expect;
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn retry_info_has_the_delay_that_aws_asks_for() {
    let world = World::start().await;
    let hinted = ErrorFault { retry_after_ms: Some(25_000), ..ErrorFault::new("ThrottlingException") };
    world.simulator.fault_job("job-hinted", Fault::Error(hinted));
    let answer = world.acknowledge("job-hinted").await;
    expect(ResourceExhausted, "AWS_THROTTLED", "rejected").retry().check(
        OperationName::AcknowledgeThirdPartyJob,
        &answer,
        "a delay beyond the deadline",
    );
    assert_eq!(answer.details().retry_info().unwrap().retry_delay, Some(Duration::from_secs(25)));

    (0..3).for_each(|_| world.simulator.fault_job("job-plain", Fault::error("SlowDown")));
    let delay = world.acknowledge("job-plain").await.details().retry_info().unwrap().retry_delay.unwrap();
    assert!((0.8..=1.2).contains(&delay.as_secs_f64()), "{delay:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_job_or_the_action_type() {
    let world = World::start().await;
    let error = async |operation, code| {
        world.simulator.fault_operation(operation, 1, Fault::error(code));
        world.call(operation, "job-1").await.details()
    };
    let resource = async |operation, code| {
        let details = error(operation, code).await;
        assert!(details.precondition_failure().is_none(), "{code}");
        let resource = details.resource_info().unwrap_or_else(|| panic!("{operation:?} {code}"));
        (resource.resource_type.clone(), resource.resource_name.clone())
    };
    let job = ("codepipeline.ThirdPartyJob".to_owned(), "job-1".to_owned());
    for operation in OperationName::ALL.into_iter().skip(1) {
        assert_eq!(resource(operation, "JobNotFoundException").await, job, "{operation:?}");
    }
    assert_eq!(resource(OperationName::GetThirdPartyJobDetails, "InvalidJobException").await, job);
    let action_type = resource(OperationName::PollForThirdPartyJobs, "ActionTypeNotFoundException").await;
    let name = "Test/ThirdParty/FakeProvider/1".to_owned();
    assert_eq!(action_type, ("codepipeline.ActionType".to_owned(), name));

    let precondition = async |operation, code| {
        let details = error(operation, code).await;
        assert!(details.resource_info().is_none(), "{code}");
        let violation = &details.precondition_failure().unwrap().violations[0];
        (violation.r#type.clone(), violation.subject.clone())
    };
    let state = ("JOB_STATE".to_owned(), "job-1".to_owned());
    for operation in
        [OperationName::PutThirdPartyJobSuccessResult, OperationName::PutThirdPartyJobFailureResult]
    {
        assert_eq!(precondition(operation, "InvalidJobStateException").await, state, "{operation:?}");
    }
    let nonce = ("NONCE".to_owned(), "job-1".to_owned());
    let acknowledge = OperationName::AcknowledgeThirdPartyJob;
    assert_eq!(precondition(acknowledge, "InvalidNonceException").await, nonce);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_speaks_of_its_operation() {
    let world = World::start().await;
    for operation in OperationName::ALL {
        let message = async |code| {
            world.simulator.fault_operation(operation, 3, Fault::error(code));
            let message = world.call(operation, "job-1").await.status().message().to_owned();
            world.simulator.clear_faults();
            message
        };
        let denied = message("AccessDeniedException").await;
        let action = format!("must allow codepipeline:{}.", operation.as_str());
        assert!(denied.ends_with(&action), "{denied}");
        let unknown = message("InternalFailure").await;
        let meaning = match operation {
            OperationName::PollForThirdPartyJobs => "AWS hands jobs out again",
            OperationName::GetThirdPartyJobDetails => "Nothing changed. You can retry",
            OperationName::AcknowledgeThirdPartyJob => "The job might already be yours.",
            _ => "The job might have ended. Never report the opposite result.",
        };
        assert!(unknown.contains(meaning), "{operation:?}: {unknown}");
    }
    world.stop().await;
}

/// Every reason of the contract.
const CONTRACT: [&str; 33] = [
    "INVALID_REQUEST",
    "UNKNOWN_METHOD",
    "VALIDATION_FAILED",
    "JOB_NOT_FOUND",
    "INVALID_NONCE",
    "INVALID_CLIENT_TOKEN",
    "ACTION_TYPE_NOT_FOUND",
    "INVALID_JOB",
    "INVALID_JOB_STATE",
    "OPERATION_DISABLED",
    "ACTION_TYPE_NOT_ALLOWED",
    "AWS_THROTTLED",
    "AWS_UNAVAILABLE",
    "AWS_REQUEST_TIMEOUT",
    "GATEWAY_ACCESS_DENIED",
    "GATEWAY_CREDENTIALS_EXPIRED",
    "GATEWAY_CLOCK_SKEW",
    "GATEWAY_CREDENTIALS_REJECTED",
    "GATEWAY_CREDENTIALS_UNAVAILABLE",
    "GATEWAY_KEYS_UNAVAILABLE",
    "AWS_UNREACHABLE",
    "AWS_CONNECTION_LOST",
    "AWS_TIMEOUT",
    "DEADLINE_EXCEEDED",
    "AWS_BAD_RESPONSE",
    "GATEWAY_BUG",
    "AWS_UNRECOGNIZED_ERROR",
    "GATEWAY_OVERLOADED",
    "GATEWAY_SHUTTING_DOWN",
    "CALLER_CANCELLED",
    "CALLER_UNAUTHENTICATED",
    "CALLER_NOT_ALLOWED",
    "UNKNOWN_SERVICE",
];

/// The reasons that no response of AWS causes are tested in `outcomes`, `requests`, `credentials`,
/// `limits`, `auth`, `shutdown` and `admin`.
#[test]
fn the_table_has_exactly_the_reasons_of_the_contract() {
    let contract = BTreeSet::from(CONTRACT);
    let table: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(table, contract);
    assert_eq!(Reason::ALL.len(), CONTRACT.len(), "no duplicate name");
}
