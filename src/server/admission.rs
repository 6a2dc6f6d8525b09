//! Limits the calls in flight, and the health and reflection streams.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::peer::{ConnectionLimits, LONG_LIVED_STREAMS};
use crate::methods::{Method, Role};
use crate::telemetry::Metrics;

/// Most reflection streams over all connections. A developer's tool opens one.
const REFLECTION_STREAMS: usize = 64;

/// The permits of all connections together.
#[derive(Debug)]
pub(super) struct Admission {
    calls: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    reflections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Permit of a call under the in-flight limit. Dropping it releases the permit.
pub(super) struct CallPermit {
    in_flight: Gauge,
    _permit: OwnedSemaphorePermit,
}

/// Permits of a health or reflection stream: one per connection and, if the stream is long-lived,
/// one of all connections.
pub(super) type StreamPermits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Admission {
    pub(super) fn new(max_in_flight: usize, max_connections: usize, metrics: Arc<Metrics>) -> Self {
        let permits = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            calls: Arc::new(permits(max_in_flight)),
            // One per connection and some more, because a client keeps one watch open.
            watches: Arc::new(permits(max_connections.saturating_add(LONG_LIVED_STREAMS))),
            reflections: Arc::new(permits(REFLECTION_STREAMS)),
            metrics,
        }
    }

    /// Takes a permit for a call, if one is free.
    pub(super) fn try_call(&self) -> Option<CallPermit> {
        let permit = self.calls.clone().try_acquire_owned().ok()?;
        let in_flight = self.metrics.in_flight.clone();
        in_flight.inc();
        Some(CallPermit { in_flight, _permit: permit })
    }

    /// Takes the permits for a health or reflection stream, if they are free.
    pub(super) fn try_stream(&self, method: &Method, connection: &ConnectionLimits) -> Option<StreamPermits> {
        let (connection, all) = match method.role {
            Role::Reflection => (&connection.long_lived, Some(&self.reflections)),
            _ if method.is_streaming() => (&connection.long_lived, Some(&self.watches)),
            // A check is short. It has permits that another client's watches can't use up.
            _ => (&connection.checks, None),
        };
        let connection = connection.clone().try_acquire_owned().ok()?;
        let all = all.map(|permits| permits.clone().try_acquire_owned()).transpose().ok()?;
        Some((connection, all))
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}
