//! The two words that end the gateway: "stop", which drains, and "at once".

use tokio_util::sync::CancellationToken;

/// Whoever holds a clone may end the gateway. The first `stop` drains, the second ends it at once.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    at_once: CancellationToken,
}

impl Shutdown {
    /// Nothing is stopping yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to drain; a second word ends it at once.
    pub fn stop(&self) {
        if self.begun.is_cancelled() {
            self.at_once.cancel();
        }
        self.begun.cancel();
    }

    /// Cancelled by the first word.
    #[must_use]
    pub fn begun(&self) -> CancellationToken {
        self.begun.clone()
    }

    /// Cancelled by the second word.
    #[must_use]
    pub fn at_once(&self) -> CancellationToken {
        self.at_once.clone()
    }
}
