//! The five operations of a job as requests that the generated client sends.

use std::fmt::Debug;

use codepipeline_gateway::methods::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};
use codepipeline_gateway::proto::{
    AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, ActionTypeId, ExecutionDetails,
    FailureDetails, FailureType, GetThirdPartyJobDetailsRequest, GetThirdPartyJobDetailsResponse,
    PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse, PutThirdPartyJobFailureResultRequest,
    PutThirdPartyJobFailureResultResponse, PutThirdPartyJobSuccessResultRequest,
    PutThirdPartyJobSuccessResultResponse,
};
use codepipeline_simulator::ActionType;
use tonic::{Request, Response, Status};

use super::{Client, TOKEN};

/// A request of one of the five operations.
pub trait JobRequest: Clone + Debug + Send + Sized + 'static {
    type Response: Debug + Send;
    const METHOD: &'static Method;

    /// Sends the request with the generated client.
    fn send(
        client: Client,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;
}

macro_rules! job_requests {
    ($($request:ty => $function:ident, $response:ty, $method:expr;)+) => { $(
        impl JobRequest for $request {
            type Response = $response;
            const METHOD: &'static Method = &$method;

            async fn send(
                mut client: Client,
                request: Request<Self>,
            ) -> Result<Response<Self::Response>, Status> {
                client.$function(request).await
            }
        }
    )+ };
}

job_requests! {
    PollForThirdPartyJobsRequest => poll_for_third_party_jobs, PollForThirdPartyJobsResponse, POLL;
    GetThirdPartyJobDetailsRequest => get_third_party_job_details, GetThirdPartyJobDetailsResponse, DETAILS;
    AcknowledgeThirdPartyJobRequest =>
        acknowledge_third_party_job, AcknowledgeThirdPartyJobResponse, ACKNOWLEDGE;
    PutThirdPartyJobSuccessResultRequest =>
        put_third_party_job_success_result, PutThirdPartyJobSuccessResultResponse, SUCCESS;
    PutThirdPartyJobFailureResultRequest =>
        put_third_party_job_failure_result, PutThirdPartyJobFailureResultResponse, FAILURE;
}

/// A poll for one job of this action type.
pub fn poll_request(action_type: &ActionType) -> PollForThirdPartyJobsRequest {
    let ActionType { category, owner, provider, version } = action_type.clone();
    PollForThirdPartyJobsRequest {
        action_type_id: Some(ActionTypeId { category, owner, provider, version }),
        max_batch_size: Some(1),
    }
}

/// A request for a job's details with the usual token.
pub fn details_request(id: &str) -> GetThirdPartyJobDetailsRequest {
    GetThirdPartyJobDetailsRequest { job_id: id.into(), client_token: TOKEN.into() }
}

/// A success of a job with the usual token. The worker's name is the id of the execution.
pub fn success_request(id: &str, worker: &str) -> PutThirdPartyJobSuccessResultRequest {
    PutThirdPartyJobSuccessResultRequest {
        job_id: id.into(),
        client_token: TOKEN.into(),
        execution_details: Some(ExecutionDetails {
            external_execution_id: worker.into(),
            ..ExecutionDetails::default()
        }),
        ..PutThirdPartyJobSuccessResultRequest::default()
    }
}

/// A failure of a job with the usual token. The worker's name is the id of the execution.
pub fn failure_request(id: &str, worker: &str) -> PutThirdPartyJobFailureResultRequest {
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
