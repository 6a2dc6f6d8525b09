//! A valid request of each operation, and the calls of the tests that go through all of them.

use std::fmt::Debug;

use codepipeline_gateway::proto::{
    ActionTypeId, ExecutionDetails, FailureDetails, FailureType, GetThirdPartyJobDetailsRequest,
    PollForThirdPartyJobsRequest, PutThirdPartyJobFailureResultRequest, PutThirdPartyJobSuccessResultRequest,
};
use codepipeline_simulator::{ActionType, Job, OperationName};
use tonic::Request;
use tonic::transport::Channel;

use super::{Answer, JobRequest, NONCE, PATIENCE, TOKEN, request, unary};

/// The response of any operation.
pub type AnyResponse = Box<dyn Debug + Send>;

/// The operations whose retry does no harm.
pub fn is_harmless(operation: OperationName) -> bool {
    matches!(operation, OperationName::PollForThirdPartyJobs | OperationName::GetThirdPartyJobDetails)
}

/// The action type of the simulator's jobs.
pub fn action_type() -> ActionTypeId {
    id_of(&ActionType::default())
}

fn id_of(action_type: &ActionType) -> ActionTypeId {
    let ActionType { category, owner, provider, version } = action_type.clone();
    ActionTypeId { category, owner, provider, version }
}

/// A request for up to ten jobs of the usual action type.
pub fn poll_request() -> PollForThirdPartyJobsRequest {
    poll_for(&ActionType::default())
}

/// A request for up to ten jobs of this action type.
pub fn poll_for(action_type: &ActionType) -> PollForThirdPartyJobsRequest {
    PollForThirdPartyJobsRequest {
        action_type_id: Some(id_of(action_type)),
        max_batch_size: Some(10),
        ..Default::default()
    }
}

/// A request for a job's details.
pub fn details_request(id: &str) -> GetThirdPartyJobDetailsRequest {
    GetThirdPartyJobDetailsRequest { job_id: id.into(), client_token: TOKEN.into() }
}

/// A success with its required fields alone.
pub fn success_request(id: &str) -> PutThirdPartyJobSuccessResultRequest {
    let (job_id, client_token) = (id.into(), TOKEN.into());
    PutThirdPartyJobSuccessResultRequest { job_id, client_token, ..Default::default() }
}

/// A success with the worker's name as the ID of the execution.
pub fn success_by(worker: &str, id: &str) -> PutThirdPartyJobSuccessResultRequest {
    let details = ExecutionDetails { external_execution_id: worker.into(), ..Default::default() };
    PutThirdPartyJobSuccessResultRequest { execution_details: Some(details), ..success_request(id) }
}

/// A failure with its required fields alone.
pub fn failure_request(id: &str) -> PutThirdPartyJobFailureResultRequest {
    failure_by("", id)
}

/// A failure with the worker's name as the ID of the execution.
pub fn failure_by(worker: &str, id: &str) -> PutThirdPartyJobFailureResultRequest {
    PutThirdPartyJobFailureResultRequest {
        job_id: id.into(),
        client_token: TOKEN.into(),
        failure_details: Some(FailureDetails {
            r#type: FailureType::JobFailed.into(),
            message: "The work failed.".into(),
            external_execution_id: worker.into(),
        }),
    }
}

/// A job in the state in which a call of the operation succeeds.
pub fn job_for(operation: OperationName, id: &str) -> Job {
    Job::new(id, NONCE, TOKEN).with_status(match operation {
        OperationName::PollForThirdPartyJobs => "Queued",
        OperationName::GetThirdPartyJobDetails | OperationName::AcknowledgeThirdPartyJob => "Dispatched",
        _ => "InProgress",
    })
}

/// Calls an operation with a valid request for this job. A poll names no job.
pub async fn call(channel: Channel, operation: OperationName, id: &str) -> Answer<AnyResponse> {
    match operation {
        OperationName::PollForThirdPartyJobs => timed(channel, poll_request()).await,
        OperationName::GetThirdPartyJobDetails => timed(channel, details_request(id)).await,
        OperationName::AcknowledgeThirdPartyJob => timed(channel, request(id)).await,
        OperationName::PutThirdPartyJobSuccessResult => timed(channel, success_request(id)).await,
        OperationName::PutThirdPartyJobFailureResult => timed(channel, failure_request(id)).await,
    }
}

async fn timed<Q: JobRequest>(channel: Channel, request: Q) -> Answer<AnyResponse> {
    let mut request = Request::new(request);
    request.set_timeout(PATIENCE);
    unary(channel, request).await.erase()
}
