//! Completes each request: the endpoint's parameters, and the SDK's user agent.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Completes the requests of a client.
#[derive(Debug)]
pub(super) struct RequestSetup {
    /// The value of `user-agent`. It names the versions of the SDK and of Rust, and isn't signed.
    pub(super) user_agent: String,
}

#[dyn_dispatch_hint]
impl Intercept for RequestSetup {
    fn name(&self) -> &'static str {
        "RequestSetup"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The orchestrator takes them from here alone. The endpoint itself was resolved at the
        // start.
        config.interceptor_state().store_put(EndpointResolverParams::new(()));
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().try_insert("user-agent", self.user_agent.clone())?;
        Ok(())
    }
}
