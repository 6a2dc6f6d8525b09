//! What a request says of the SDK: put together once and repeated, because the SDK would do it anew for each call.

use std::sync::OnceLock;

use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Takes the SDK's name from the first request, where it stands in full under `x-amz-user-agent`, and puts it on all others
/// under `user-agent` alone, which isn't signed: in it are the versions of the SDK and of Rust, the same in every call.
#[derive(Debug, Default)]
pub(super) struct StaticUserAgentInterceptor(OnceLock<String>);

#[dyn_dispatch_hint]
impl Intercept for StaticUserAgentInterceptor {
    fn name(&self) -> &'static str {
        "StaticUserAgentInterceptor"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let state = config.interceptor_state();
        // They number the SDK's own retries, of which there are none.
        state.store_put(disable_interceptor::<InvocationIdInterceptor>("no retries of the SDK's"));
        state.store_put(disable_interceptor::<RequestInfoInterceptor>("no retries of the SDK's"));
        if self.0.get().is_some() {
            state.store_put(disable_interceptor::<UserAgentInterceptor>("the name is known"));
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(name) = self.0.get() {
            context.request_mut().headers_mut().try_insert("user-agent", name.clone())?;
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_none() {
            let name = context.request().headers().get("x-amz-user-agent");
            // Whoever comes second has the same.
            let _ = name.map(|name| self.0.set(name.to_owned()));
        }
        Ok(())
    }
}
