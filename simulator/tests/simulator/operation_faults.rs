//! Every fault with every operation, and faults that are limited to one operation.

use std::io::ErrorKind;

use codepipeline_simulator::{
    CallMoment, ErrorFault, Fault, OperationName, Processed, RequestOutcome, Simulator, Then,
};
use serde_json::{Value, json};

use crate::client::{Call, Connection};
use crate::{JOB, NONCE, TOKEN, call, job, job_input, poll_input, simulator, within};

/// A simulator with a job in the status in which this call succeeds, and the call.
async fn world(operation: OperationName) -> (Simulator, Call) {
    let (status, input) = match operation {
        OperationName::PollForThirdPartyJobs => ("Queued", poll_input(1)),
        OperationName::GetThirdPartyJobDetails => ("Dispatched", job_input(JOB)),
        OperationName::AcknowledgeThirdPartyJob => {
            ("Dispatched", json!({ "jobId": JOB, "nonce": NONCE, "clientToken": TOKEN }))
        }
        OperationName::PutThirdPartyJobSuccessResult => ("InProgress", job_input(JOB)),
        OperationName::PutThirdPartyJobFailureResult => {
            let details = json!({ "type": "JobFailed", "message": "m" });
            ("InProgress", json!({ "jobId": JOB, "clientToken": TOKEN, "failureDetails": details }))
        }
    };
    let simulator = simulator().await;
    simulator.add_job(job().with_status(status));
    (simulator, Call::operation(operation, &input))
}

/// Whether the last request was processed. A processed call must have succeeded.
fn was_processed(simulator: &Simulator) -> bool {
    let record = simulator.requests().pop().unwrap();
    let success = Processed { http_status: 200, error_code: None };
    assert!(record.processed.is_none() || record.processed == Some(success), "{record:?}");
    record.processed.is_some()
}

#[tokio::test]
async fn every_operation_succeeds_without_a_fault() {
    for operation in OperationName::ALL {
        let (simulator, call) = world(operation).await;
        assert_eq!(call.send(simulator.addr()).await.unwrap().status, 200, "{operation:?}");
        assert!(was_processed(&simulator));
        assert_eq!(simulator.requests()[0].operation, Some(operation));
    }
}

#[tokio::test]
async fn every_operation_can_return_an_error() {
    for operation in OperationName::ALL {
        let (simulator, call) = world(operation).await;
        let throttled = ErrorFault { retry_after_s: Some(1), ..ErrorFault::new("ThrottlingException") };
        simulator.fault_next(1, throttled.into());
        assert_eq!(call.send(simulator.addr()).await.unwrap().json()["__type"], "ThrottlingException");
        simulator.fault_next(1, Fault::status(503));
        assert_eq!(call.send(simulator.addr()).await.unwrap().status, 503);
        assert!(!was_processed(&simulator), "{operation:?}");
    }
}

#[tokio::test]
async fn every_operation_can_break_the_connection() {
    for operation in OperationName::ALL {
        for (when, processed) in [(CallMoment::AfterRequestRead, false), (CallMoment::AfterProcessing, true)]
        {
            for (fault, kind) in [
                (Fault::Reset { when }, ErrorKind::ConnectionReset),
                (Fault::Close { when }, ErrorKind::UnexpectedEof),
            ] {
                let (simulator, call) = world(operation).await;
                simulator.fault_next(1, fault);
                assert_eq!(call.send(simulator.addr()).await.unwrap_err().kind(), kind);
                assert_eq!(was_processed(&simulator), processed, "{operation:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_can_hang_or_be_late() {
    for operation in OperationName::ALL {
        for (fault, processed) in [
            (Fault::Hang { process: false }, false),
            (Fault::Hang { process: true }, true),
            (Fault::Delay { ms: 3_600_000, then: Then::Process }, false),
            (Fault::Delay { ms: 3_600_000, then: Then::Answer }, true),
        ] {
            let (simulator, call) = world(operation).await;
            simulator.fault_next(1, fault);
            let mut connection = Connection::open(simulator.addr()).await.unwrap();
            connection.send(&call).await.unwrap();
            within(simulator.wait_for_requests(1)).await;
            drop(connection);
            within(simulator.wait_for_abandoned(1)).await;
            assert_eq!(was_processed(&simulator), processed, "{operation:?}");
        }
    }
}

#[tokio::test]
async fn every_operation_can_send_half_of_its_body() {
    for operation in OperationName::ALL {
        for process in [false, true] {
            let (simulator, call) = world(operation).await;
            simulator.fault_next(1, Fault::CutBody { process, http_status: None, code: None });
            let error = call.send(simulator.addr()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{operation:?}");
            assert_eq!(was_processed(&simulator), process);
            let outcome = simulator.requests()[0].outcome;
            assert_eq!(outcome, RequestOutcome::BodyCut { http_status: 200 });
        }
    }
}

#[tokio::test]
async fn every_operation_can_send_broken_json() {
    for operation in OperationName::ALL {
        for process in [false, true] {
            let (simulator, call) = world(operation).await;
            simulator.fault_next(1, Fault::MalformedBody { process });
            let response = call.send(simulator.addr()).await.unwrap();
            assert_eq!(response.status, 200);
            assert!(!response.body.is_empty());
            assert!(serde_json::from_str::<Value>(&response.body).is_err(), "{operation:?}");
            assert_eq!(was_processed(&simulator), process);
        }
    }
}

#[tokio::test]
async fn fault_can_be_limited_to_one_operation() {
    for operation in OperationName::ALL {
        let (simulator, faulty) = world(operation).await;
        simulator.fault_operation(operation, 2, Fault::error("A"));
        for other in OperationName::ALL.into_iter().filter(|other| *other != operation) {
            let response = call(&simulator, other, &json!({})).await;
            assert_eq!(response.error_code(), "ValidationException", "{other:?}");
        }
        for _ in 0..2 {
            assert_eq!(faulty.send(simulator.addr()).await.unwrap().json(), json!({ "__type": "A" }));
        }
        assert_eq!(faulty.send(simulator.addr()).await.unwrap().status, 200, "{operation:?}");
    }
}

/// Faults of the job come first, then faults of any job. Each list skips faults of other
/// operations.
#[tokio::test]
async fn limited_faults_of_a_job_wait_for_their_operation() {
    let simulator = simulator().await;
    let (details, success) =
        (OperationName::GetThirdPartyJobDetails, OperationName::PutThirdPartyJobSuccessResult);
    simulator.fault_operation(details, 1, Fault::error("any"));
    simulator.add_job(
        job().with_operation_fault(success, 1, Fault::error("success")).with_fault(1, Fault::error("job")),
    );
    simulator.fault_job_operation(JOB, details, Fault::error("details"));
    for (operation, code) in [(details, "job"), (details, "details"), (details, "any"), (success, "success")]
    {
        assert_eq!(call(&simulator, operation, &job_input(JOB)).await.json(), json!({ "__type": code }));
    }
    assert_eq!(call(&simulator, details, &job_input(JOB)).await.status, 200);
}

/// A call of an operation that the simulator doesn't know gets faults that aren't limited.
#[tokio::test]
async fn unknown_operation_gets_unlimited_faults_only() {
    let simulator = simulator().await;
    let target = "CodePipeline_20150709.ListPipelines".to_owned();
    let unknown = Call { target, ..Call::default() };
    simulator.fault_operation(OperationName::AcknowledgeThirdPartyJob, 1, Fault::error("A"));
    let response = unknown.send(simulator.addr()).await.unwrap();
    assert_eq!(response.error_code(), "UnknownOperationException");
    simulator.fault_next(1, Fault::error("B"));
    assert_eq!(unknown.send(simulator.addr()).await.unwrap().json(), json!({ "__type": "B" }));
}
