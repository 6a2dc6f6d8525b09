//! The gRPC service. Each RPC is one line: parse, call AWS, respond. The layers in front of it
//! watch the deadline.

use std::sync::Arc;

use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use crate::call::{Call, End};
use crate::codepipeline::{AwsOperation, CodePipeline};
use crate::error::{AwsResponse, Failure as CallFailure};
use crate::operations::{Acknowledge, Details, Failure, Operation, Policy, Poll, Success};
use crate::poller::Poller;
use crate::proto::third_party_job_service_server::ThirdPartyJobService;

type Request<O> = tonic::Request<<O as Operation>::Request>;
type Reply<O> = Result<Response<<O as Operation>::Response>, Status>;

/// Answers the calls of `ThirdPartyJobService` with the responses of AWS CodePipeline.
#[derive(Debug)]
pub struct JobService<C> {
    codepipeline: Arc<C>,
    poller: Poller,
    policy: Policy,
}

/// How the service gets an operation's output: with one call to AWS, unless the operation says
/// otherwise.
trait Forward: AwsOperation {
    /// # Errors
    /// Why the call failed, and what is known about it.
    fn forward<C: CodePipeline>(
        &self,
        service: &JobService<C>,
        call: &Call,
    ) -> impl Future<Output = Result<(Self::Output, AwsResponse), CallFailure>> + Send {
        service.codepipeline.call(self, call)
    }
}

impl Forward for Poll {
    async fn forward<C: CodePipeline>(
        &self,
        service: &JobService<C>,
        call: &Call,
    ) -> Result<(Self::Output, AwsResponse), CallFailure> {
        match self.wait {
            Some(time) => service.poller.wait(self, time, call).await,
            None => service.codepipeline.call(self, call).await,
        }
    }
}

impl Forward for Details {}
impl Forward for Acknowledge {}
impl Forward for Success {}
impl Forward for Failure {}

#[tonic::async_trait]
impl<C: CodePipeline> ThirdPartyJobService for JobService<C> {
    async fn poll_for_third_party_jobs(&self, request: Request<Poll>) -> Reply<Poll> {
        self.handle::<Poll>(request).await
    }

    async fn get_third_party_job_details(&self, request: Request<Details>) -> Reply<Details> {
        self.handle::<Details>(request).await
    }

    async fn acknowledge_third_party_job(&self, request: Request<Acknowledge>) -> Reply<Acknowledge> {
        self.handle::<Acknowledge>(request).await
    }

    async fn put_third_party_job_success_result(&self, request: Request<Success>) -> Reply<Success> {
        self.handle::<Success>(request).await
    }

    async fn put_third_party_job_failure_result(&self, request: Request<Failure>) -> Reply<Failure> {
        self.handle::<Failure>(request).await
    }
}

impl<C: CodePipeline> JobService<C> {
    /// A service that calls this CodePipeline, within the operator's policy.
    pub fn new(codepipeline: Arc<C>, poller: Poller, policy: Policy) -> Self {
        Self { codepipeline, poller, policy }
    }

    fn handle<O: Forward>(&self, request: Request<O>) -> impl Future<Output = Reply<O>> + Send {
        // Not in the future, which would have room for the request's metadata.
        let (call, request) = (Call::of(request.extensions()), request.into_inner());
        async move {
            let (output, aws) = self.output::<O>(request, &call).await.map_err(|failure| {
                call.set_end(End::from(&failure));
                failure.to_status(&call.facts())
            })?;
            let response = respond::<O>(output, &aws);
            call.set_end(End { aws, ..End::default() });
            Ok(response)
        }
    }

    async fn output<O: Forward>(
        &self,
        request: O::Request,
        call: &Call,
    ) -> Result<(O::Output, AwsResponse), CallFailure> {
        // Before the request is parsed: the log names the job of a rejected request too.
        O::describe(&request, call.subject());
        let operation = O::parse(request)?;
        operation.check(&self.policy)?;
        let (mut output, aws) = operation.forward(self, call).await?;
        O::describe_output(&output, call.subject());
        match O::restrict(&mut output, &self.policy) {
            Ok(()) => Ok((output, aws)),
            Err(failure) => Err(CallFailure { aws, ..failure }),
        }
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
