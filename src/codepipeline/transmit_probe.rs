//! Watches one attempt from inside the SDK: how far its request got, what status came back, and that the answer has an end.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;
use tokio::task_local;

/// The longest answer that is read, in bytes. AWS's are a few hundred; the SDK itself would read without end.
const MAX_RESPONSE: usize = 64 * 1024;

/// Watches how far an attempt's request got, and what status came back.
#[derive(Clone, Debug, Default)]
pub(super) struct TransmitProbe(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Empty until the request is ready to go. Then it holds the SDK's capture of the connection that the request is
    /// given: while that has none, not one byte of the request can have left.
    connection: OnceLock<Option<CaptureSmithyConnection>>,
    /// 0 until there is an answer.
    status: AtomicU16,
}

impl TransmitProbe {
    /// The attempt under this watch.
    pub(super) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> {
        OF_ATTEMPT.scope(self.clone(), attempt)
    }

    /// Whether the request was ready to go.
    pub(super) fn reached_transmit(&self) -> bool {
        self.0.connection.get().is_some()
    }

    /// The answer's HTTP status, once there is one.
    pub(super) fn http_status(&self) -> Option<u16> {
        Some(self.0.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Whether a byte of the request may have left.
    pub(super) fn may_be_sent(&self) -> bool {
        match self.0.connection.get() {
            None => false,
            // Without a capture nobody can tell.
            Some(None) => true,
            Some(Some(capture)) => capture.get().is_some(),
        }
    }
}

task_local! {
    /// The watch over the attempt that this task makes.
    static OF_ATTEMPT: TransmitProbe;
}

/// Watches every attempt of a client. It is part of the client and finds the attempt's own `TransmitProbe` by its task: to give each
/// operation an interceptor of its own makes the SDK configure it anew, which costs several microseconds.
#[derive(Debug)]
pub(super) struct ProbeInterceptor;

#[dyn_dispatch_hint]
impl Intercept for ProbeInterceptor {
    fn name(&self) -> &'static str {
        "ProbeInterceptor"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK's own interceptor put it there, and on the request, in the step before (`modify_before_transmit`).
        let connection = config.load::<CaptureSmithyConnection>().cloned();
        // Without a watch this is an error and nothing is sent: nobody could say what became of it.
        OF_ATTEMPT.try_with(|probe| {
            let _ = probe.0.connection.set(connection);
        })?;
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().status().as_u16();
        OF_ATTEMPT.try_with(|probe| probe.0.status.store(status, Ordering::Relaxed))?;
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MAX_RESPONSE));
        Ok(())
    }
}
