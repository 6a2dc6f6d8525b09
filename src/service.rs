//! The gRPC service: deadline → parse → call → reply.

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::api::third_party_job_service_server::ThirdPartyJobService;
use crate::api::{AcknowledgeThirdPartyJobRequest, AcknowledgeThirdPartyJobResponse};
use crate::call::{Call, End};
use crate::codepipeline::CodePipeline;
use crate::error::{AwsAnswer, Failure, Reason};
use crate::job::{AcknowledgeJob, Acknowledgement};

/// Answers the calls of `ThirdPartyJobService` with what AWS CodePipeline says.
#[derive(Debug)]
pub struct JobService<C> {
    codepipeline: C,
    drain_over: CancellationToken,
}

impl<C: CodePipeline> JobService<C> {
    /// A service that asks this CodePipeline and gives up every call once `drain_over`.
    pub fn new(codepipeline: C, drain_over: CancellationToken) -> Self {
        Self { codepipeline, drain_over }
    }

    async fn acknowledge(
        &self,
        request: AcknowledgeThirdPartyJobRequest,
        call: &Call,
    ) -> Result<Acknowledgement, Failure> {
        let deadline = call.deadline()?;
        let job = AcknowledgeJob::parse(request)?;
        call.is_about(job.job_id.as_str());
        // The first poll of an attempt may already send: with no time left there must be none.
        if Instant::now() >= deadline {
            return Err(call.cut_short(Reason::DeadlineExceeded));
        }
        tokio::select! {
            // An answer that is there counts, even if time is up as well.
            biased;
            answer = self.codepipeline.acknowledge(&job, deadline, call.progress()) => answer,
            () = sleep_until(deadline) => Err(call.cut_short(Reason::DeadlineExceeded)),
            () = self.drain_over.cancelled() => Err(call.cut_short(Reason::GatewayShuttingDown)),
        }
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
                let aws = AwsAnswer { request_id: acknowledgement.aws_request_id, ..AwsAnswer::default() };
                call.ends(End { failure: None, aws, log_text: None });
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
