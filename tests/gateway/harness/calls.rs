//! Unary calls with the generated client.

use std::time::Duration;

use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::proto::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};
use tonic::transport::Channel;
use tonic::{IntoRequest, Request, Response, Status};

use super::{Answer, PATIENCE, within};

/// The secrets of every job. They are long, so that no other text contains them by chance.
pub const NONCE: &str = "nonce-7f3c1-do-not-show";
pub const TOKEN: &str = "token-91bd2-do-not-show";

pub type Client = ThirdPartyJobServiceClient<Channel>;

/// The result of an AcknowledgeThirdPartyJob call.
pub type Acknowledged = Answer<AcknowledgeThirdPartyJobResponse>;

/// Makes one unary call. The method is a closure that calls the generated client.
pub async fn unary<Q, R, F>(
    channel: Channel,
    request: impl IntoRequest<Q>,
    method: impl FnOnce(Client, Request<Q>) -> F,
) -> Answer<R>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let call = method(Client::new(channel), request.into_request());
    within("a response", PATIENCE, call).await.into()
}

/// Acknowledges a job over this channel.
pub async fn acknowledge(
    channel: Channel,
    request: impl IntoRequest<AcknowledgeThirdPartyJobRequest>,
) -> Acknowledged {
    unary(
        channel,
        request,
        |mut client, request| async move { client.acknowledge_third_party_job(request).await },
    )
    .await
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
