//! Shutdown signals: the first starts a graceful drain, the second aborts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Ends the gateway. All clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Whether an operator has sent a signal.
    signaled: Arc<AtomicBool>,
    begun: CancellationToken,
    immediate: CancellationToken,
}

impl Shutdown {
    /// A shutdown that hasn't begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles an operator's signal: the first begins the shutdown, the second makes it immediate.
    pub fn stop(&self) {
        if self.signaled.swap(true, Ordering::Relaxed) {
            self.immediate.cancel();
        }
        self.begun.cancel();
    }

    /// Begins the shutdown because the gateway lost something that it needs. An operator's next
    /// signal still counts as the first.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Canceled when the shutdown begins, for whichever reason.
    #[must_use]
    pub fn begun(&self) -> CancellationToken {
        self.begun.clone()
    }

    /// Canceled by an operator's second signal.
    #[must_use]
    pub fn immediate(&self) -> CancellationToken {
        self.immediate.clone()
    }
}
