//! The details of an error that don't depend on the operation, and the list of all reasons.

use std::collections::BTreeSet;
use std::time::Duration;

use codepipeline_gateway::error::Reason;
use codepipeline_simulator::{ErrorFault, Fault};
use tonic::Code::ResourceExhausted;

use super::expect;
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn retry_info_has_the_delay_that_aws_asks_for() {
    let world = World::start().await;
    let hinted = ErrorFault { retry_after_ms: Some(25_000), ..ErrorFault::new("ThrottlingException") };
    world.simulator.fault_job("job-hinted", Fault::Error(hinted));
    let answer = world.acknowledge("job-hinted").await;
    expect(ResourceExhausted, "AWS_THROTTLED", "rejected")
        .retry()
        .check(&answer, "a delay beyond the deadline");
    assert_eq!(answer.details().retry_info().unwrap().retry_delay, Some(Duration::from_secs(25)));

    (0..3).for_each(|_| world.simulator.fault_job("job-plain", Fault::error("SlowDown")));
    let delay = world.acknowledge("job-plain").await.details().retry_info().unwrap().retry_delay.unwrap();
    assert!((0.8..=1.2).contains(&delay.as_secs_f64()), "{delay:?}");
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
