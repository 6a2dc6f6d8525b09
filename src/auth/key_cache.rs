//! Holds the issuer's keys: one task loads and refreshes them; calls only read what is held, and may ask for
//! one more look when a token names a key that isn't there.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::key_set::KeySet;
use super::key_source::KeySource;
use super::refresh::RefreshSchedule;
use crate::telemetry::Metrics;

/// Calls that wait for a look at most: their callers have shown nothing yet, and the in-flight limit doesn't count them.
const MAX_WAITING: usize = 1024;

/// Where the gateway stands with its issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyStatus {
    /// It has them, or needs none.
    Held,
    /// None were loaded yet.
    Loading,
    /// None could be loaded yet.
    Failed,
    /// The last good look is too long ago.
    Stale,
}

/// The cached keys and the state of their refresh.
#[derive(Debug)]
pub(super) struct KeyCache {
    source: KeySource,
    schedule: RefreshSchedule,
    state: watch::Sender<RefreshState>,
    waiting: Semaphore,
    status: watch::Sender<KeyStatus>,
}

#[derive(Debug)]
struct RefreshState {
    cached: Option<CachedKeys>,
    now: Refresh,
    /// How many have ended.
    ended: u64,
    /// When a call last asked for one.
    asked: Option<Instant>,
}

#[derive(Clone, Debug)]
struct CachedKeys {
    keys: Arc<KeySet>,
    /// When they were last seen at their source.
    seen: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    None,
    Wanted,
    Running,
}

/// There are no keys to verify with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoKeys;

impl KeyCache {
    /// Holds nothing yet.
    pub(super) fn new(source: KeySource, schedule: RefreshSchedule) -> Self {
        let state = RefreshState { cached: None, now: Refresh::None, ended: 0, asked: None };
        Self {
            source,
            schedule,
            state: watch::Sender::new(state),
            waiting: Semaphore::new(MAX_WAITING),
            status: watch::Sender::new(KeyStatus::Loading),
        }
    }

    /// Where they come from.
    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Follows where the gateway stands.
    pub(super) fn status(&self) -> watch::Receiver<KeyStatus> {
        self.status.subscribe()
    }

    /// The keys, those with this id and algorithm among them if there are such: if not, a look is taken first.
    ///
    /// # Errors
    /// None were loaded yet, or not for too long.
    pub(super) async fn with(&self, id: &str, algorithm: Algorithm) -> Result<Arc<KeySet>, NoKeys> {
        let keys = self.current()?;
        if keys.find(id, algorithm).next().is_some() || !self.request_refresh().await {
            return Ok(keys);
        }
        self.current()
    }

    fn current(&self) -> Result<Arc<KeySet>, NoKeys> {
        let state = self.state.borrow();
        let cached = state.cached.as_ref().filter(|cached| cached.seen.elapsed() < self.schedule.stale);
        cached.map(|cached| cached.keys.clone()).ok_or(NoKeys)
    }

    /// Waits for the look that is under way, or for one more if another may be taken already.
    async fn request_refresh(&self) -> bool {
        let mut state = self.state.subscribe();
        let (mut before, mut comes) = (0, false);
        self.state.send_if_modified(|state| {
            before = state.ended;
            let begins = state.now == Refresh::None
                && state.asked.is_none_or(|asked| asked.elapsed() >= self.schedule.asked);
            if begins {
                state.now = Refresh::Wanted;
                state.asked = Some(Instant::now());
            }
            comes = state.now != Refresh::None;
            begins
        });
        let Ok(_place) = self.waiting.try_acquire() else {
            return false;
        };
        comes && state.wait_for(|state| state.ended > before).await.is_ok()
    }

    /// Loads and refreshes the keys. Never ends by itself: its owner drops it.
    pub(super) async fn keep_fresh(&self, metrics: &Metrics) {
        let mut state = self.state.subscribe();
        let mut failures = 0;
        loop {
            self.state.send_modify(|state| state.now = Refresh::Running);
            let loaded = self.source.load().await;
            metrics.jwt_keys_looked_for(loaded.is_ok());
            failures = if loaded.is_ok() { 0 } else { failures + 1 };
            let wait = self.schedule.delay(self.source.is_file(), failures);
            let before = self.state.borrow().cached.clone();
            let (cached, status) = self.after(loaded, before, failures);
            self.state.send_modify(|state| {
                state.cached = cached;
                state.now = Refresh::None;
                state.ended += 1;
            });
            self.status.send_if_modified(|before| std::mem::replace(before, status) != status);
            let asked = async {
                // It fails only without its sender, which is `self`.
                let _ = state.wait_for(|state| state.now == Refresh::Wanted).await;
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = asked => tracing::debug!("a token names a key that isn't held; looking for new ones"),
            }
        }
    }

    /// What is held after a look: what it has found, or else what was held before, until that is stale.
    fn after(
        &self,
        loaded: Result<KeySet, String>,
        before: Option<CachedKeys>,
        failures: u32,
    ) -> (Option<CachedKeys>, KeyStatus) {
        let why = match loaded {
            Ok(keys) => {
                // The same set stays, and with it the tokens that it has verified.
                let same = before.map(|before| before.keys).filter(|before| before.is_as(&keys));
                let keys = same.unwrap_or_else(|| {
                    let source = &self.source;
                    tracing::info!(keys = keys.len(), %source, "using the issuer's keys{}", keys.left_out());
                    Arc::new(keys)
                });
                return (Some(CachedKeys { keys, seen: Instant::now() }), KeyStatus::Held);
            }
            Err(why) => why,
        };
        // Rarer and rarer, because a file is looked at every few seconds; the metric counts each.
        if failures.is_power_of_two() {
            tracing::warn!(why, failures, "can't load the issuer's keys");
        }
        let status = match &before {
            None => KeyStatus::Failed,
            Some(held) if held.seen.elapsed() < self.schedule.stale => KeyStatus::Held,
            Some(_) => KeyStatus::Stale,
        };
        (before, status)
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
        "x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    const HOUR: Duration = Duration::from_secs(3600);

    /// KeyCache of a file that is looked at so often.
    fn keys(folder: &TempDir, every: Duration) -> Arc<KeyCache> {
        let path = folder.path().join("jwks.json");
        fs::write(&path, SET).unwrap();
        let schedule = RefreshSchedule { file: every, ..RefreshSchedule::default() };
        Arc::new(KeyCache::new(KeySource::file(path).unwrap(), schedule))
    }

    /// The task that the gateway has, until the first keys are there.
    async fn start(keys: &Arc<KeyCache>) -> tokio::task::JoinHandle<()> {
        let (task, mut status) = (keys.clone(), keys.status());
        let task = tokio::spawn(async move { task.keep_fresh(&Metrics::new()).await });
        status.wait_for(|status| *status == KeyStatus::Held).await.unwrap();
        task
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_cause_a_look_in_ten_seconds_at_most() {
        let folder = TempDir::new().unwrap();
        let keys = keys(&folder, 10 * HOUR);
        let task = start(&keys).await;
        let state = |keys: &KeyCache| keys.state.borrow().ended;
        // Half a minute of a call every tenth of a second: at 0, 10 and 20 s.
        for _tenth in 0..299 {
            assert!(keys.with("unknown", Algorithm::ES256).await.is_ok());
            assert!(
                keys.with("known", Algorithm::RS256).await.is_ok(),
                "a key of another kind is unknown too"
            );
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(state(&keys), 1 + 3);
        for _known in 0..10 {
            advance(Duration::from_secs(20)).await;
            assert!(keys.with("known", Algorithm::ES256).await.is_ok());
        }
        assert_eq!(state(&keys), 1 + 3);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_than_so_many_wait_for_a_look() {
        let folder = TempDir::new().unwrap();
        let keys = keys(&folder, 10 * HOUR);
        // From now on nobody takes the look that is asked for.
        start(&keys).await.abort();
        let ask = |keys: Arc<KeyCache>| async move { keys.with("unknown", Algorithm::ES256).await.is_ok() };
        let mut waiting: JoinSet<_> = (0..MAX_WAITING).map(|_| ask(keys.clone())).collect();
        for _turn in 0..10 * MAX_WAITING {
            yield_now().await;
        }
        assert_eq!(keys.waiting.available_permits(), 0);
        assert!(ask(keys.clone()).await, "one more doesn't wait");
        assert!(waiting.try_join_next().is_none(), "the others do");
        waiting.shutdown().await;
        assert!(timeout(HOUR, ask(keys)).await.is_err(), "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_keys_stay_and_others_begin_anew() {
        let folder = TempDir::new().unwrap();
        let keys = keys(&folder, Duration::from_secs(5));
        let task = start(&keys).await;
        let mut state = keys.state.subscribe();
        let first = keys.current().unwrap();
        let seen = state.borrow().ended;
        state.wait_for(|state| state.ended > seen + 1).await.unwrap();
        assert!(Arc::ptr_eq(&first, &keys.current().unwrap()));
        fs::write(folder.path().join("jwks.json"), SET.replace("known", "new")).unwrap();
        let seen = state.borrow().ended;
        state.wait_for(|state| state.ended > seen + 1).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &keys.current().unwrap()));
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn keys_hold_for_a_day_without_a_good_look() {
        let folder = TempDir::new().unwrap();
        let keys = keys(&folder, Duration::from_secs(5));
        assert_eq!(keys.with("known", Algorithm::ES256).await.unwrap_err(), NoKeys);
        let (task, mut status) = (start(&keys).await, keys.status());
        fs::write(folder.path().join("jwks.json"), "{}").unwrap();
        let gone = Instant::now();
        status.wait_for(|status| *status == KeyStatus::Stale).await.unwrap();
        let held = gone.elapsed();
        assert!(held.abs_diff(24 * HOUR) < Duration::from_secs(10), "{held:?}");
        assert_eq!(keys.with("known", Algorithm::ES256).await.unwrap_err(), NoKeys);
        fs::write(folder.path().join("jwks.json"), SET).unwrap();
        status.wait_for(|status| *status == KeyStatus::Held).await.unwrap();
        assert!(keys.with("known", Algorithm::ES256).await.is_ok());
        task.abort();
    }
}
