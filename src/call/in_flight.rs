//! What a call holds while it is in flight: its permit, and the signal that its connection drains.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// What a call holds while it is in flight. A call that waits for jobs releases it early.
#[derive(Default)]
pub struct InFlight(Mutex<Option<Held>>);

struct Held {
    _permit: Box<dyn Send>,
    draining: CancellationToken,
}

/// Releases the permit when it is dropped.
pub(crate) struct Release<'a>(&'a InFlight);

impl InFlight {
    /// Holds a permit. `draining` is canceled when the call's connection starts to drain.
    pub(crate) fn hold(&self, permit: impl Send + 'static, draining: CancellationToken) -> Release<'_> {
        *self.lock() = Some(Held { _permit: Box::new(permit), draining });
        Release(self)
    }

    /// Releases the permit. The result is canceled when the call's connection starts to drain.
    pub(crate) fn release(&self) -> CancellationToken {
        let held = self.lock().take();
        held.map(|held| held.draining).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // An assignment under the lock leaves no half-written value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        drop(self.0.release());
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("held", &self.lock().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_permit_is_released_once_early_or_at_the_end() {
        let (permit, draining) = (Arc::new(()), CancellationToken::new());
        let in_flight = InFlight::default();
        let end = in_flight.hold(permit.clone(), draining.clone());
        assert_eq!(Arc::strong_count(&permit), 2);
        let released = in_flight.release();
        assert_eq!(Arc::strong_count(&permit), 1);
        draining.cancel();
        assert!(released.is_cancelled());
        drop(end);

        drop(in_flight.hold(permit.clone(), draining));
        assert_eq!(Arc::strong_count(&permit), 1);
        assert!(!in_flight.release().is_cancelled());
    }
}
