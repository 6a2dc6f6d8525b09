//! How much may be under way at once: calls, and the streams that aren't calls, health watches and reflection.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::Settings;
use super::http2::{EXTRA_STREAMS, LONG_LIVED_STREAMS};
use crate::methods::{Method, Role};
use crate::telemetry::Metrics;

/// Reflection streams of all connections: a person's tool has one.
const REFLECTION_STREAMS: usize = 64;

/// The places of all connections.
#[derive(Debug)]
pub(super) struct Admission {
    calls: Semaphore,
    watches: Arc<Semaphore>,
    reflections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// The places of one connection for what isn't a call.
#[derive(Debug)]
pub(super) struct ConnectionLimits {
    /// Health watches and reflection.
    long_lived: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

/// A call's place under the in-flight limit; free again when the call ends, however it does.
pub(super) struct CallPermit<'a> {
    metrics: &'a Metrics,
    _permit: SemaphorePermit<'a>,
}

/// A stream's that isn't a call: one of its connection's, and, if it lasts, of all together.
pub(super) type StreamPermits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Admission {
    pub(super) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let permits = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            calls: permits(settings.max_in_flight),
            // One for every connection and some more: whoever watches keeps one stream open.
            watches: Arc::new(permits(settings.max_connections.saturating_add(LONG_LIVED_STREAMS))),
            reflections: Arc::new(permits(REFLECTION_STREAMS)),
            metrics,
        }
    }

    /// A place for a call, if there is one.
    pub(super) fn try_call(&self) -> Option<CallPermit<'_>> {
        let permit = self.calls.try_acquire().ok()?;
        self.metrics.in_flight.inc();
        Some(CallPermit { metrics: &self.metrics, _permit: permit })
    }

    /// A place for health or reflection, if there is one.
    pub(super) fn try_stream(&self, method: &Method, connection: &ConnectionLimits) -> Option<StreamPermits> {
        // A check is over at once. It needs no place of those that others could hold, with as many watches.
        let (connection, all) = match method.role {
            Role::Reflection => (&connection.long_lived, Some(&self.reflections)),
            _ if method.is_streaming() => (&connection.long_lived, Some(&self.watches)),
            _ => (&connection.checks, None),
        };
        let connection = connection.clone().try_acquire_owned().ok()?;
        let all = all.map(|permits| permits.clone().try_acquire_owned()).transpose().ok()?;
        Some((connection, all))
    }
}

impl ConnectionLimits {
    pub(super) fn new() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self { long_lived: permits(LONG_LIVED_STREAMS), checks: permits(EXTRA_STREAMS - LONG_LIVED_STREAMS) }
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
