//! The gRPC service: parse → call → reply. The deadline is the layers' to keep.

use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::call::{Call, End};
use crate::codepipeline::CodePipeline;
use crate::error::{AwsResponse, Failure};
use crate::job::{AcknowledgeJob, Acknowledgement, JobId};
use crate::proto::third_party_job_service_server::ThirdPartyJobService;
use crate::proto::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};

/// Answers the calls of `ThirdPartyJobService` with what AWS CodePipeline says.
#[derive(Debug)]
pub struct JobService<C> {
    codepipeline: C,
}

impl<C: CodePipeline> JobService<C> {
    /// A service that asks this CodePipeline.
    pub fn new(codepipeline: C) -> Self {
        Self { codepipeline }
    }

    async fn acknowledge(
        &self,
        request: AcknowledgeThirdPartyJobRequest,
        call: &Call,
    ) -> Result<Acknowledgement, Failure> {
        // Before the rest is looked at: whose call was refused is what its owner will ask the log.
        if JobId::is_valid(&request.job_id) {
            call.set_job_id(&request.job_id);
        }
        let job = AcknowledgeJob::parse(request)?;
        self.codepipeline.acknowledge(&job, call.deadline()?, call.progress()).await
    }
}

#[tonic::async_trait]
impl<C: CodePipeline> ThirdPartyJobService for JobService<C> {
    async fn acknowledge_third_party_job(
        &self,
        request: Request<AcknowledgeThirdPartyJobRequest>,
    ) -> Result<Response<AcknowledgeThirdPartyJobResponse>, Status> {
        let call = Call::of(request.extensions());
        match self.acknowledge(request.into_inner(), &call).await {
            Ok(acknowledgement) => {
                let response = reply(&acknowledgement);
                let aws =
                    AwsResponse { request_id: acknowledgement.aws_request_id, ..AwsResponse::default() };
                call.set_end(End { aws, ..End::default() });
                Ok(response)
            }
            Err(failure) => Err(failure.into_status(&call)),
        }
    }
}

fn reply(acknowledgement: &Acknowledgement) -> Response<AcknowledgeThirdPartyJobResponse> {
    let mut response = Response::new(acknowledgement.into());
    let id = acknowledgement.aws_request_id.as_deref().and_then(|id| MetadataValue::try_from(id).ok());
    if let Some(id) = id {
        response.metadata_mut().insert("x-amzn-requestid", id);
    }
    response
}
