//! Observes one attempt from inside the SDK: whether its request may have left, and which HTTP
//! status came back.

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

/// Observes an attempt.
#[derive(Clone, Debug)]
pub(super) struct TransmitProbe(Arc<Observed>);

#[derive(Debug)]
struct Observed {
    /// Empty until the request is ready to go. Then it holds the SDK's capture of the connection
    /// that the request gets. While the capture is empty, not one byte of the request can have
    /// left.
    connection: OnceLock<Option<CaptureSmithyConnection>>,
    /// 0 until a response arrives.
    status: AtomicU16,
    /// The longest response that is read, in bytes.
    max_response: usize,
}

impl TransmitProbe {
    /// A probe for an attempt whose response has at most this many bytes.
    pub(super) fn new(max_response: usize) -> Self {
        Self(Arc::new(Observed { connection: OnceLock::new(), status: AtomicU16::new(0), max_response }))
    }

    /// Runs the attempt under this probe.
    pub(super) fn observe<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self.clone(), attempt)
    }

    /// Whether the request was ready to go.
    pub(super) fn reached_transmit(&self) -> bool {
        self.0.connection.get().is_some()
    }

    /// The response's HTTP status, once there is a response.
    pub(super) fn http_status(&self) -> Option<u16> {
        Some(self.0.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Whether a byte of the request may have left.
    pub(super) fn may_be_sent(&self) -> bool {
        match self.0.connection.get() {
            None => false,
            // Without a capture it can't be ruled out.
            Some(None) => true,
            Some(Some(capture)) => capture.get().is_some(),
        }
    }
}

task_local! {
    /// The probe of the attempt that this task makes.
    static CURRENT: TransmitProbe;
}

/// Feeds the probes.
///
/// It is part of the client and finds an attempt's probe by its task. An interceptor for each
/// attempt would make the SDK build its configuration again, which costs several microseconds.
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
        // The SDK's own interceptor put it there, and on the request, in the step before
        // (`modify_before_transmit`).
        let connection = config.load::<CaptureSmithyConnection>().cloned();
        // Without a probe this is an error and nothing is sent, because the outcome could not be
        // known.
        CURRENT.try_with(|probe| {
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
        let max_response = CURRENT.try_with(|probe| {
            probe.0.status.store(status, Ordering::Relaxed);
            probe.0.max_response
        })?;
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, max_response));
        Ok(())
    }
}
