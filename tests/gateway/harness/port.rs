//! The AWS side of the gateway, without its gRPC side.

use std::sync::Arc;

use codepipeline_gateway::call::{Call, Deadlines};
use codepipeline_gateway::codepipeline::{
    Aws, AwsCodePipeline, AwsOperation, CodePipeline, CredentialCache, CredentialStatus, Limits, Source,
    keep_fresh,
};
use codepipeline_gateway::error::Failure;
use codepipeline_gateway::telemetry::{Metrics, Traces};
use http::HeaderMap;
use tokio_util::task::AbortOnDropHandle;

use super::{PATIENCE, REGION, fake_keys, within};

/// A client of CodePipeline at an endpoint.
pub struct Port {
    codepipeline: AwsCodePipeline,
    _refresh: AbortOnDropHandle<()>,
}

impl Port {
    /// Creates a client and waits until it has credentials.
    pub async fn new(endpoint_url: String, limits: Limits) -> Self {
        let source = Source::Fixed { region: REGION.into(), endpoint_url, keys: Some(fake_keys()) };
        let aws = Aws::load(source).await.unwrap();
        let (cache, metrics) = (CredentialCache::empty(), Arc::new(Metrics::new()));
        let mut status = cache.status();
        let refresh = tokio::spawn(keep_fresh(aws.clone(), cache.clone(), metrics.clone()));
        let held = status.wait_for(|status| *status == CredentialStatus::Held);
        within("credentials", PATIENCE, held).await.unwrap();
        let codepipeline = AwsCodePipeline::new(&aws, cache, limits, metrics, Traces::default());
        Self { codepipeline, _refresh: AbortOnDropHandle::new(refresh) }
    }

    /// Makes a call.
    pub async fn call<O: AwsOperation>(&self, request: O::Request) -> Result<O::Output, Failure> {
        let deadlines = Deadlines { default: PATIENCE, max: PATIENCE };
        let call = Call::begin(O::METHOD, &HeaderMap::new(), deadlines, REGION.into());
        let operation = O::parse(request)?;
        self.codepipeline.call(&operation, &call).await.map(|(output, _)| output)
    }
}
