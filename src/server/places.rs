//! How much may be under way at once: calls, and the streams that aren't calls, health watches and reflection.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::Settings;
use super::http2::{LASTING_STREAMS, MORE_STREAMS};
use crate::rpc::{Role, Rpc};
use crate::telemetry::Metrics;

/// Reflection streams of all connections: a person's tool has one.
const REFLECTION_STREAMS: usize = 64;

/// The places of all connections.
#[derive(Debug)]
pub(super) struct Places {
    calls: Semaphore,
    watches: Arc<Semaphore>,
    reflections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// The places of one connection for what isn't a call.
#[derive(Debug)]
pub(super) struct OfConnection {
    /// Health watches and reflection.
    lasting: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

/// A call's place under the in-flight limit; free again when the call ends, however it does.
pub(super) struct Slot<'a> {
    metrics: &'a Metrics,
    _permit: SemaphorePermit<'a>,
}

/// A stream's that isn't a call: one of its connection's, and, if it lasts, of all together.
pub(super) type SparePlace = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Places {
    pub(super) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let places = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            calls: places(settings.max_in_flight),
            // One for every connection and some more: whoever watches keeps one stream open.
            watches: Arc::new(places(settings.max_connections.saturating_add(LASTING_STREAMS))),
            reflections: Arc::new(places(REFLECTION_STREAMS)),
            metrics,
        }
    }

    /// A place for a call, if there is one.
    pub(super) fn call(&self) -> Option<Slot<'_>> {
        let permit = self.calls.try_acquire().ok()?;
        self.metrics.in_flight.inc();
        Some(Slot { metrics: &self.metrics, _permit: permit })
    }

    /// A place for health or reflection, if there is one.
    pub(super) fn spare(&self, rpc: &Rpc, of_connection: &OfConnection) -> Option<SparePlace> {
        // A check is over at once. It needs no place of those that others could hold, with as many watches.
        let (of_connection, of_all) = match rpc.role {
            Role::Reflection => (&of_connection.lasting, Some(&self.reflections)),
            _ if rpc.lasts() => (&of_connection.lasting, Some(&self.watches)),
            _ => (&of_connection.checks, None),
        };
        let of_connection = of_connection.clone().try_acquire_owned().ok()?;
        let of_all = of_all.map(|places| places.clone().try_acquire_owned()).transpose().ok()?;
        Some((of_connection, of_all))
    }
}

impl OfConnection {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { lasting: places(LASTING_STREAMS), checks: places(MORE_STREAMS - LASTING_STREAMS) }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
