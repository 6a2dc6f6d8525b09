//! The gRPC service. Each RPC is one line: parse, call AWS, respond. The layers in front of it watch the deadline.

use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::call::{Call, End};
use crate::codepipeline::{AwsOperation, CodePipeline};
use crate::error::{AwsResponse, Failure};
use crate::operations::{Acknowledge, JobId};
use crate::proto::third_party_job_service_server::ThirdPartyJobService;
use crate::proto::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};

/// Answers the calls of `ThirdPartyJobService` with the responses of AWS CodePipeline.
#[derive(Debug)]
pub struct JobService<C> {
    codepipeline: C,
}

#[tonic::async_trait]
impl<C: CodePipeline> ThirdPartyJobService for JobService<C> {
    async fn acknowledge_third_party_job(
        &self,
        request: Request<AcknowledgeThirdPartyJobRequest>,
    ) -> Result<Response<AcknowledgeThirdPartyJobResponse>, Status> {
        self.handle::<Acknowledge>(request).await
    }
}

impl<C: CodePipeline> JobService<C> {
    /// A service that calls this CodePipeline.
    pub fn new(codepipeline: C) -> Self {
        Self { codepipeline }
    }

    async fn handle<O: AwsOperation>(
        &self,
        request: Request<O::Request>,
    ) -> Result<Response<O::Response>, Status> {
        let call = Call::of(request.extensions());
        let (output, aws) = self.forward::<O>(request.into_inner(), &call).await.map_err(|failure| {
            call.set_end(End::from(&failure));
            failure.to_status(&call.facts())
        })?;
        let response = respond::<O>(output, &aws);
        call.set_end(End { aws, ..End::default() });
        Ok(response)
    }

    async fn forward<O: AwsOperation>(
        &self,
        request: O::Request,
        call: &Call,
    ) -> Result<(O::Output, AwsResponse), Failure> {
        // Before the request is checked: the log names the job of a rejected request too.
        if let Some(job_id) = O::job_id(&request).filter(|job_id| JobId::is_valid(job_id)) {
            call.set_job_id(job_id);
        }
        let operation = O::parse(request)?;
        self.codepipeline.call(&operation, call).await
    }
}

fn respond<O: AwsOperation>(output: O::Output, aws: &AwsResponse) -> Response<O::Response> {
    let mut response = Response::new(O::respond(output));
    let id = aws.request_id.as_deref().and_then(|id| MetadataValue::try_from(id).ok());
    if let Some(id) = id {
        response.metadata_mut().insert("x-amzn-requestid", id);
    }
    response
}
