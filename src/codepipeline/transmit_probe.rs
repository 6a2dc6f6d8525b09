//! Observes one attempt from inside the SDK: whether its request might have left, and which HTTP
//! status and which date came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use tokio::task_local;

/// Observes an attempt.
#[derive(Clone, Debug)]
pub(super) struct TransmitProbe(Arc<Observed>);

#[derive(Debug)]
struct Observed {
    /// Whether the request was ready to go.
    ready: AtomicBool,
    /// Whether a byte of the request might have left.
    sent: AtomicBool,
    /// 0 until a response arrives.
    status: AtomicU16,
    /// The date of the response, in seconds since 1970. 0 until a response with a date arrives.
    date: AtomicU64,
    /// The longest response that is read, in bytes.
    max_response: usize,
}

impl TransmitProbe {
    /// A probe for an attempt whose response has at most this many bytes.
    pub(super) fn new(max_response: usize) -> Self {
        let (ready, sent) = (AtomicBool::new(false), AtomicBool::new(false));
        let (status, date) = (AtomicU16::new(0), AtomicU64::new(0));
        Self(Arc::new(Observed { ready, sent, status, date, max_response }))
    }

    /// Runs the attempt under this probe.
    pub(super) fn observe<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self.clone(), attempt)
    }

    /// Whether the request was ready to go.
    pub(super) fn reached_transmit(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// The response's HTTP status, once there is a response.
    pub(super) fn http_status(&self) -> Option<u16> {
        Some(self.0.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// The response's date, by AWS's clock.
    pub(super) fn date(&self) -> Option<SystemTime> {
        let seconds = Some(self.0.date.load(Ordering::Relaxed)).filter(|seconds| *seconds != 0)?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Whether a byte of the request might have left.
    pub(super) fn may_be_sent(&self) -> bool {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Records for this task's attempt whether a byte of its request might have left.
    ///
    /// # Errors
    /// The task makes no attempt. Nothing can be sent then, because the outcome could not be known.
    pub(super) fn set_sent(sent: bool) -> Result<(), BoxError> {
        Ok(CURRENT.try_with(|probe| probe.0.sent.store(sent, Ordering::Relaxed))?)
    }

    /// The longest response of this task's attempt, in bytes.
    ///
    /// # Errors
    /// The task makes no attempt.
    pub(super) fn max_response() -> Result<usize, BoxError> {
        Ok(CURRENT.try_with(|probe| probe.0.max_response)?)
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
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(CURRENT.try_with(|probe| probe.0.ready.store(true, Ordering::Relaxed))?)
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().status().as_u16();
        let date = context.response().headers().get("date").and_then(seconds);
        CURRENT.try_with(|probe| {
            probe.0.status.store(status, Ordering::Relaxed);
            probe.0.date.store(date.unwrap_or_default(), Ordering::Relaxed);
        })?;
        Ok(())
    }
}

/// The seconds since 1970 of an HTTP date; none for another text and for an earlier date.
fn seconds(date: &str) -> Option<u64> {
    DateTime::from_str(date, Format::HttpDate).ok()?.secs().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_http_date_since_1970_is_read() {
        for (date, expected) in [
            ("Fri, 15 Jan 2027 08:00:00 GMT", Some(1_800_000_000)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("2027-01-15T08:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }
}
