//! Unary calls with the generated client.

use std::fmt::Debug;
use std::time::Duration;

use codepipeline_gateway::methods::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::proto::{
    AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse, GetThirdPartyJobDetailsRequest,
    GetThirdPartyJobDetailsResponse, PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse,
    PutThirdPartyJobFailureResultRequest, PutThirdPartyJobFailureResultResponse,
    PutThirdPartyJobSuccessResultRequest, PutThirdPartyJobSuccessResultResponse,
};
use tonic::transport::Channel;
use tonic::{IntoRequest, Request, Response, Status};

use super::{Answer, PATIENCE, within};

/// The secrets of every job. They are long, so that no other text contains them by chance.
pub const NONCE: &str = "nonce-7f3c1-do-not-show";
pub const TOKEN: &str = "token-91bd2-do-not-show";

pub type Client = ThirdPartyJobServiceClient<Channel>;

/// The result of an AcknowledgeThirdPartyJob call.
pub type Acknowledged = Answer<AcknowledgeThirdPartyJobResponse>;

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

/// A request with or without metadata.
pub trait Sendable {
    type Message: JobRequest;

    fn into_call(self) -> Request<Self::Message>;
}

impl<Q: JobRequest> Sendable for Q {
    type Message = Q;

    fn into_call(self) -> Request<Q> {
        Request::new(self)
    }
}

impl<Q: JobRequest> Sendable for Request<Q> {
    type Message = Q;

    fn into_call(self) -> Self {
        self
    }
}

/// The response to a request.
pub type AnswerTo<S> = Answer<<<S as Sendable>::Message as JobRequest>::Response>;

/// Calls an operation over this channel.
pub async fn unary<S: Sendable>(channel: Channel, request: S) -> AnswerTo<S> {
    let call = S::Message::send(Client::new(channel), request.into_call());
    within("a response", PATIENCE, call).await.into()
}

/// Acknowledges a job over this channel.
pub async fn acknowledge(
    channel: Channel,
    request: impl IntoRequest<AcknowledgeThirdPartyJobRequest>,
) -> Acknowledged {
    unary(channel, request.into_request()).await
}

/// A request for a job with the usual secrets.
pub fn request(id: &str) -> AcknowledgeThirdPartyJobRequest {
    AcknowledgeThirdPartyJobRequest { job_id: id.into(), nonce: NONCE.into(), client_token: TOKEN.into() }
}

/// The same request with a deadline.
pub fn request_within(id: &str, timeout: Duration) -> Request<AcknowledgeThirdPartyJobRequest> {
    let mut request = Request::new(request(id));
    request.set_timeout(timeout);
    request
}

/// The same request with these metadata.
pub fn request_with(id: &str, metadata: &[(&'static str, &str)]) -> Request<AcknowledgeThirdPartyJobRequest> {
    let mut request = Request::new(request(id));
    for (name, value) in metadata {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    request
}
