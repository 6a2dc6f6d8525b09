//! Caches the issuer's keys, which one task loads and refreshes.
//!
//! Calls only read the cache. A call whose token names an unknown key can request a refresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::Algorithm;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::key_set::KeySet;
use super::key_source::KeySource;
use super::refresh::RefreshSchedule;
use super::token_cache::VerifiedTokenCache;
use crate::telemetry::Metrics;

/// The maximum number of calls that wait for a refresh. They aren't authenticated yet, and the
/// in-flight limit doesn't count them.
const MAX_WAITING: usize = 1024;

/// Whether the gateway has keys to verify tokens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyStatus {
    /// The keys are usable, or the authentication mode needs none.
    Ready,
    /// The first refresh hasn't finished.
    Loading,
    /// No refresh has succeeded.
    Failed,
    /// The last successful refresh is too long ago.
    Stale,
}

/// The cached keys and the state of their refresh.
#[derive(Debug)]
pub(super) struct KeyCache {
    source: KeySource,
    schedule: RefreshSchedule,
    state: Mutex<State>,
    /// Wakes the refresh task.
    requested: Notify,
    /// The number of finished refreshes. Calls wait for it to change.
    finished: watch::Sender<u64>,
    waiting: Semaphore,
    status: watch::Sender<KeyStatus>,
}

#[derive(Debug, Default)]
struct State {
    cached: Option<CachedKeys>,
    /// Whether a refresh is requested or in progress.
    refreshing: bool,
    last_request: Option<Instant>,
}

#[derive(Clone, Debug)]
struct CachedKeys {
    keys: Arc<VerificationKeys>,
    /// When a refresh last loaded the keys.
    seen: Instant,
}

/// One version of the issuer's keys, and the tokens that these keys verified.
#[derive(Debug)]
pub(super) struct VerificationKeys {
    pub(super) set: KeySet,
    pub(super) verified: VerifiedTokenCache,
}

/// The gateway has no usable keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoKeys;

impl KeyCache {
    /// Creates an empty cache.
    pub(super) fn new(source: KeySource, schedule: RefreshSchedule) -> Self {
        Self {
            source,
            schedule,
            state: Mutex::default(),
            requested: Notify::new(),
            finished: watch::Sender::new(0),
            waiting: Semaphore::new(MAX_WAITING),
            status: watch::Sender::new(KeyStatus::Loading),
        }
    }

    /// The source of the keys.
    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Follows the status of the keys.
    pub(super) fn status(&self) -> watch::Receiver<KeyStatus> {
        self.status.subscribe()
    }

    /// Returns the keys. If they have none with this ID and algorithm, waits for a refresh first.
    ///
    /// # Errors
    /// No refresh has succeeded, or the last success is too long ago.
    pub(super) async fn get(&self, id: &str, algorithm: Algorithm) -> Result<Arc<VerificationKeys>, NoKeys> {
        let keys = self.current()?;
        if keys.set.find(id, algorithm).next().is_some() {
            return Ok(keys);
        }
        self.request_refresh().await;
        self.current()
    }

    /// The cached keys, unless they are stale.
    pub(super) fn current(&self) -> Result<Arc<VerificationKeys>, NoKeys> {
        let state = self.lock();
        let cached = state.cached.as_ref().filter(|cached| !self.schedule.is_stale(cached.seen));
        cached.map(|cached| cached.keys.clone()).ok_or(NoKeys)
    }

    /// Waits until the current refresh ends, or a new one if the schedule allows a request now.
    async fn request_refresh(&self) {
        let Ok(_permit) = self.waiting.try_acquire() else { return };
        if let Some(mut finished) = self.join_refresh() {
            // It fails only without its sender, which is part of `self`.
            let _ = finished.changed().await;
        }
    }

    /// Joins the current refresh, or requests one. Returns `None` if there is none to wait for.
    fn join_refresh(&self) -> Option<watch::Receiver<u64>> {
        let mut state = self.lock();
        let allowed = state.last_request.is_none_or(|last| last.elapsed() >= self.schedule.asked);
        if !state.refreshing && allowed {
            state.refreshing = true;
            state.last_request = Some(Instant::now());
            self.requested.notify_waiters();
        }
        // Under the lock, so that the receiver can't miss the end of this refresh.
        state.refreshing.then(|| self.finished.subscribe())
    }

    /// Loads and refreshes the keys. Runs until its owner drops it.
    pub(super) async fn keep_fresh(&self, metrics: &Metrics) {
        let mut failures = 0_u32;
        loop {
            self.lock().refreshing = true;
            let loaded = self.source.load().await;
            metrics.jwt_keys_refreshed(loaded.is_ok());
            failures = if loaded.is_ok() { 0 } else { failures + 1 };
            // Logs failures 1, 2, 4, 8, and so on. The metric counts every one.
            if let Err(why) = &loaded
                && failures.is_power_of_two()
            {
                tracing::warn!(why, failures, "can't load the verification keys");
            }
            // Created before requests are possible again, so that it receives the next one.
            let requested = self.requested.notified();
            self.finish_refresh(loaded.ok());
            tokio::select! {
                () = sleep(self.schedule.delay(self.source.is_file(), failures)) => {}
                () = requested => {
                    tracing::debug!("a token names an unknown key; refreshing the verification keys");
                }
            }
        }
    }

    /// Stores the loaded keys, if there are any, and wakes the calls that wait for the refresh.
    fn finish_refresh(&self, loaded: Option<KeySet>) {
        let loaded = loaded.map(|set| CachedKeys { keys: self.reuse_or_replace(set), seen: Instant::now() });
        let mut state = self.lock();
        state.cached = loaded.or_else(|| state.cached.take());
        let status = match &state.cached {
            None => KeyStatus::Failed,
            Some(cached) if self.schedule.is_stale(cached.seen) => KeyStatus::Stale,
            Some(_) => KeyStatus::Ready,
        };
        state.refreshing = false;
        self.finished.send_modify(|finished| *finished += 1);
        self.status.send_if_modified(|before| std::mem::replace(before, status) != status);
    }

    /// Returns the cached keys if their document is unchanged, so that verified tokens stay cached.
    fn reuse_or_replace(&self, set: KeySet) -> Arc<VerificationKeys> {
        let cached = self.lock().cached.as_ref().map(|cached| cached.keys.clone());
        cached.filter(|cached| cached.set.is_same_document(&set)).unwrap_or_else(|| {
            let (keys, skipped, source) = (set.len(), set.skipped_reasons(), &self.source);
            tracing::info!(keys, skipped, %source, "loaded the verification keys");
            Arc::new(VerificationKeys { set, verified: VerifiedTokenCache::default() })
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::{advance, timeout};

    use super::*;

    const SET: &str = r#"{"keys":[{"kty":"EC","kid":"known","crv":"P-256",
        "x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    const HOUR: Duration = Duration::from_secs(3600);

    /// A cache of the keys in a file, with this refresh interval.
    fn key_cache(folder: &TempDir, interval: Duration) -> Arc<KeyCache> {
        let path = folder.path().join("jwks.json");
        fs::write(&path, SET).unwrap();
        let schedule = RefreshSchedule { file: interval, ..RefreshSchedule::default() };
        Arc::new(KeyCache::new(KeySource::file(path).unwrap(), schedule))
    }

    /// Starts the refresh task and waits for the first keys.
    async fn start(cache: &Arc<KeyCache>) -> tokio::task::JoinHandle<()> {
        let (task, mut status) = (cache.clone(), cache.status());
        let task = tokio::spawn(async move { task.keep_fresh(&Metrics::new()).await });
        status.wait_for(|status| *status == KeyStatus::Ready).await.unwrap();
        task
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_cause_at_most_one_refresh_in_ten_seconds() {
        let folder = TempDir::new().unwrap();
        let cache = key_cache(&folder, 10 * HOUR);
        let task = start(&cache).await;
        // One call per 100 ms for 30 s causes a refresh at 0, 10, and 20 s.
        for _tenth in 0..299 {
            assert!(cache.get("unknown", Algorithm::ES256).await.is_ok());
            assert!(cache.get("known", Algorithm::RS256).await.is_ok(), "no key has this algorithm");
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(*cache.finished.borrow(), 1 + 3);
        for _known in 0..10 {
            advance(Duration::from_secs(20)).await;
            assert!(cache.get("known", Algorithm::ES256).await.is_ok());
        }
        assert_eq!(*cache.finished.borrow(), 1 + 3);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_calls_that_wait_for_a_refresh_is_limited() {
        let folder = TempDir::new().unwrap();
        let cache = key_cache(&folder, 10 * HOUR);
        // No task handles the requested refresh from now on.
        start(&cache).await.abort();
        let call = |cache: Arc<KeyCache>| async move { cache.get("unknown", Algorithm::ES256).await.is_ok() };
        let mut waiting: JoinSet<_> = (0..MAX_WAITING).map(|_| call(cache.clone())).collect();
        for _turn in 0..10 * MAX_WAITING {
            yield_now().await;
        }
        assert_eq!(cache.waiting.available_permits(), 0);
        assert!(call(cache.clone()).await, "one more call doesn't wait");
        assert!(waiting.try_join_next().is_none(), "the others wait");
        waiting.shutdown().await;
        assert!(timeout(HOUR, call(cache)).await.is_err(), "a call can wait again");
    }

    #[tokio::test(start_paused = true)]
    async fn unchanged_keys_stay_cached_and_changed_keys_replace_them() {
        let folder = TempDir::new().unwrap();
        let cache = key_cache(&folder, Duration::from_secs(5));
        let task = start(&cache).await;
        let mut finished = cache.finished.subscribe();
        let first = cache.current().unwrap();
        let before = *finished.borrow();
        finished.wait_for(|finished| *finished > before + 1).await.unwrap();
        assert!(Arc::ptr_eq(&first, &cache.current().unwrap()));
        fs::write(folder.path().join("jwks.json"), SET.replace("known", "new")).unwrap();
        let before = *finished.borrow();
        finished.wait_for(|finished| *finished > before + 1).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &cache.current().unwrap()));
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_usable_for_a_day_after_the_last_good_refresh() {
        let folder = TempDir::new().unwrap();
        let cache = key_cache(&folder, Duration::from_secs(5));
        assert_eq!(cache.get("known", Algorithm::ES256).await.unwrap_err(), NoKeys);
        let (task, mut status) = (start(&cache).await, cache.status());
        fs::write(folder.path().join("jwks.json"), "{}").unwrap();
        let failing_since = Instant::now();
        status.wait_for(|status| *status == KeyStatus::Stale).await.unwrap();
        let usable = failing_since.elapsed();
        assert!(usable.abs_diff(24 * HOUR) < Duration::from_secs(10), "{usable:?}");
        assert_eq!(cache.get("known", Algorithm::ES256).await.unwrap_err(), NoKeys);
        fs::write(folder.path().join("jwks.json"), SET).unwrap();
        status.wait_for(|status| *status == KeyStatus::Ready).await.unwrap();
        assert!(cache.get("known", Algorithm::ES256).await.is_ok());
        task.abort();
    }
}
