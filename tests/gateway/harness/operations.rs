//! A valid call of each operation, for the tests that go through all of them.

use std::fmt::Debug;

use codepipeline_gateway::proto::{
    ActionTypeId, FailureDetails, FailureType, GetThirdPartyJobDetailsRequest,
    GetThirdPartyJobDetailsResponse, PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse,
    PutThirdPartyJobFailureResultRequest, PutThirdPartyJobFailureResultResponse,
    PutThirdPartyJobSuccessResultRequest, PutThirdPartyJobSuccessResultResponse,
};
use codepipeline_simulator::{Job, OperationName};
use tonic::transport::Channel;
use tonic::{IntoRequest, Request};

use super::calls::unary;
use super::{Answer, NONCE, PATIENCE, TOKEN, acknowledge, request};

/// The response of any operation.
pub type AnyResponse = Box<dyn Debug + Send>;

/// The operations whose retry does no harm.
pub fn is_harmless(operation: OperationName) -> bool {
    matches!(operation, OperationName::PollForThirdPartyJobs | OperationName::GetThirdPartyJobDetails)
}

pub async fn poll(
    channel: Channel,
    request: impl IntoRequest<PollForThirdPartyJobsRequest>,
) -> Answer<PollForThirdPartyJobsResponse> {
    unary(
        channel,
        request,
        |mut client, request| async move { client.poll_for_third_party_jobs(request).await },
    )
    .await
}

pub async fn details(
    channel: Channel,
    request: impl IntoRequest<GetThirdPartyJobDetailsRequest>,
) -> Answer<GetThirdPartyJobDetailsResponse> {
    unary(
        channel,
        request,
        |mut client, request| async move { client.get_third_party_job_details(request).await },
    )
    .await
}

pub async fn success(
    channel: Channel,
    request: impl IntoRequest<PutThirdPartyJobSuccessResultRequest>,
) -> Answer<PutThirdPartyJobSuccessResultResponse> {
    unary(channel, request, |mut client, request| async move {
        client.put_third_party_job_success_result(request).await
    })
    .await
}

pub async fn failure(
    channel: Channel,
    request: impl IntoRequest<PutThirdPartyJobFailureResultRequest>,
) -> Answer<PutThirdPartyJobFailureResultResponse> {
    unary(channel, request, |mut client, request| async move {
        client.put_third_party_job_failure_result(request).await
    })
    .await
}

/// The action type of the simulator's jobs.
pub fn action_type() -> ActionTypeId {
    ActionTypeId {
        category: "Test".into(),
        owner: "ThirdParty".into(),
        provider: "FakeProvider".into(),
        version: "1".into(),
    }
}

/// A request for up to ten jobs.
pub fn poll_request() -> PollForThirdPartyJobsRequest {
    PollForThirdPartyJobsRequest { action_type_id: Some(action_type()), max_batch_size: Some(10) }
}

pub fn details_request(id: &str) -> GetThirdPartyJobDetailsRequest {
    GetThirdPartyJobDetailsRequest { job_id: id.into(), client_token: TOKEN.into() }
}

/// A success with its required fields alone.
pub fn success_request(id: &str) -> PutThirdPartyJobSuccessResultRequest {
    let (job_id, client_token) = (id.into(), TOKEN.into());
    PutThirdPartyJobSuccessResultRequest { job_id, client_token, ..Default::default() }
}

/// A failure with its required fields alone.
pub fn failure_request(id: &str) -> PutThirdPartyJobFailureResultRequest {
    PutThirdPartyJobFailureResultRequest {
        job_id: id.into(),
        client_token: TOKEN.into(),
        failure_details: Some(FailureDetails {
            r#type: FailureType::JobFailed.into(),
            message: "The work failed.".into(),
            external_execution_id: String::new(),
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
    fn timed<Q>(request: Q) -> Request<Q> {
        let mut request = Request::new(request);
        request.set_timeout(PATIENCE);
        request
    }
    match operation {
        OperationName::PollForThirdPartyJobs => poll(channel, timed(poll_request())).await.erase(),
        OperationName::GetThirdPartyJobDetails => details(channel, timed(details_request(id))).await.erase(),
        OperationName::AcknowledgeThirdPartyJob => acknowledge(channel, timed(request(id))).await.erase(),
        OperationName::PutThirdPartyJobSuccessResult => {
            success(channel, timed(success_request(id))).await.erase()
        }
        OperationName::PutThirdPartyJobFailureResult => {
            failure(channel, timed(failure_request(id))).await.erase()
        }
    }
}
