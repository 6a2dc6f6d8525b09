//! The two words that end the gateway: "stop", which drains, and "at once".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Whoever holds a clone may end the gateway.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Whether an operator has said a word.
    told: Arc<AtomicBool>,
    begun: CancellationToken,
    at_once: CancellationToken,
}

impl Shutdown {
    /// Nothing is stopping yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An operator's word: the first begins the shutdown, the second ends it at once.
    pub fn stop(&self) {
        if self.told.swap(true, Ordering::Relaxed) {
            self.at_once.cancel();
        }
        self.begun.cancel();
    }

    /// The gateway's own word, for something that it can't go on without: it begins the shutdown, and doesn't make an
    /// operator's first word the second.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Cancelled by the first word, whoever's it is.
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
