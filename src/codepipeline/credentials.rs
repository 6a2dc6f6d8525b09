//! Caches the gateway's AWS credentials. One task loads and renews them well before they expire,
//! and calls only read the cache. So a slow provider isn't canceled together with the call that
//! needs it.
//!
//! The SDK's own cache loads credentials inside a call, keeps credentials that AWS has called
//! expired, and reads a profile file only once.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::identity::{Identity, IdentityFuture, ResolveIdentity};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::advice::explain;
use super::config::Aws;
use super::redact::redact_words;
use crate::error::Reason;
use crate::telemetry::Metrics;
use crate::util::backoff::Backoff;
use crate::util::error_chain::chain;
use crate::util::file_watch::FileWatch;
use crate::util::rfc3339::rfc3339;

/// The maximum time for one load of the provider chain.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The delay after a failed load.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };
/// Credentials are renewed in the last quarter of their life, and at most this long before they
/// expire. If renewing fails, operators see it while the cached credentials are still valid.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(3 * 3600);
/// The minimum time between two loads, also for credentials that expire soon or that AWS rejects
/// repeatedly.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// The state of the gateway's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialStatus {
    /// The first load is running.
    Loading,
    /// Credentials are cached.
    Held,
    /// No load has succeeded yet. The log has the error.
    Failed,
}

/// The credentials that calls are signed with. The `Debug` output has no secret.
pub struct CredentialCache {
    /// In the form that the SDK signs with. Making it from credentials costs each call allocations.
    current: watch::Sender<Option<Identity>>,
    status: watch::Sender<CredentialStatus>,
    renew: Notify,
}

impl CredentialCache {
    /// An empty cache.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        let (current, status) = (watch::Sender::new(None), watch::Sender::new(CredentialStatus::Loading));
        Arc::new(Self { current, status, renew: Notify::new() })
    }

    /// Subscribes to the state.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<CredentialStatus> {
        self.status.subscribe()
    }

    /// The cached credentials, if there are any.
    pub(super) fn current(&self) -> Option<Identity> {
        self.current.borrow().clone()
    }

    /// Requests new credentials if AWS has rejected these.
    pub(super) fn on_rejected(&self, reason: Reason) {
        if matches!(reason, Reason::GatewayCredentialsExpired | Reason::GatewayCredentialsRejected) {
            self.renew.notify_one();
        }
    }

    fn load_failed(&self) {
        self.status.send_if_modified(|status| {
            let first = *status != CredentialStatus::Held;
            if first {
                *status = CredentialStatus::Failed;
            }
            first
        });
    }

    fn store(&self, credentials: Credentials) {
        self.current.send_replace(Some(credentials.into()));
        self.status.send_replace(CredentialStatus::Held);
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialCache(redacted)")
    }
}

/// Signs with the cached credentials of the moment.
#[derive(Debug)]
pub(super) struct CachedIdentity(pub(super) Arc<CredentialCache>);

impl ResolveIdentity for CachedIdentity {
    fn resolve_identity<'a>(&'a self, _: &'a RuntimeComponents, _: &'a ConfigBag) -> IdentityFuture<'a> {
        IdentityFuture::ready(
            self.0
                .current()
                .ok_or_else(|| CredentialsError::not_loaded("no credentials are loaded yet").into()),
        )
    }
}

/// Loads the credentials and keeps them fresh. Runs until its owner drops it.
pub async fn keep_fresh(aws: Aws, cache: Arc<CredentialCache>, metrics: Arc<Metrics>) {
    let mut failures = 0;
    // Before the first load: a change while it runs leads to another load.
    let mut files = FileWatch::new(aws.shared_files().to_vec()).await;
    loop {
        let wait = match load(&aws).await {
            Ok(credentials) => {
                failures = 0;
                metrics.credentials_loaded(credentials.expiry());
                let wait = renew_in(credentials.expiry(), SystemTime::now());
                let expiry = credentials.expiry().map(rfc3339);
                tracing::info!(expiry = expiry.as_deref(), "loaded AWS credentials");
                cache.store(credentials);
                wait
            }
            Err(reason) => {
                failures += 1;
                let wait = RETRY.delay(failures);
                metrics.credentials_failed();
                tracing::warn!(%reason, retry_in = ?wait, "can't load AWS credentials");
                cache.load_failed();
                Some(wait)
            }
        };
        // The minimum time between two loads.
        sleep(MIN_INTERVAL.min(wait.unwrap_or(MIN_INTERVAL))).await;
        let remaining = wait.map(|wait| wait.saturating_sub(MIN_INTERVAL));
        tokio::select! {
            () = sleep_or_forever(remaining) => {}
            () = cache.renew.notified() => tracing::info!("AWS rejected the credentials; reloading them"),
            () = files.changed() => tracing::info!("a shared file changed; reloading the credentials"),
        }
    }
}

/// Runs the SDK's provider chain once. The chain is created for each run, because a provider reads
/// a file only once.
///
/// # Errors
/// Why there are no credentials, in one line.
pub(super) async fn load(aws: &Aws) -> Result<Credentials, String> {
    let run = async {
        aws.provider()
            .await
            .ok_or("no credential provider is configured")?
            .provide_credentials()
            .await
            .map_err(|error| redact_words(&chain(&error)))
    };
    match timeout(LOAD_TIMEOUT, run).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => Err(explain(error, aws.shared_files()).await),
        Err(_elapsed) => Err(format!("the credential provider didn't respond within {LOAD_TIMEOUT:?}")),
    }
}

/// Runs the provider chain once and describes its credentials in one line, redacted.
///
/// # Errors
/// Why there are no credentials, in one line.
pub async fn describe_credentials(aws: &Aws) -> Result<String, String> {
    let found = load(aws).await?;
    if let Some(expiry) = found.expiry().filter(|expiry| *expiry <= SystemTime::now()) {
        return Err(format!(
            "the credentials expired at {}. Renew them, or correct the clock",
            rfc3339(expiry)
        ));
    }
    let key = found.access_key_id();
    let tail = key.get(key.len().saturating_sub(4)..).filter(|_| key.len() >= 16).unwrap_or_default();
    let expiry = found.expiry().map(|at| format!(", until {}", rfc3339(at)));
    Ok(format!("access key ****{tail}{}", expiry.unwrap_or_else(|| ", without expiry".into())))
}

/// How long after `now` credentials are renewed; none, if they don't expire.
fn renew_in(expiry: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    let left = expiry?.duration_since(now).unwrap_or_default();
    Some(left.saturating_sub(RENEW_BEFORE_EXPIRY.min(left / 4)).max(MIN_INTERVAL))
}

async fn sleep_or_forever(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_renewed_well_before_they_expire() {
        let now = SystemTime::UNIX_EPOCH;
        let renewed =
            |left: u64| renew_in(Some(now + Duration::from_secs(left)), now).map(|wait| wait.as_secs());
        assert_eq!(renew_in(None, now), None);
        assert_eq!(renewed(36 * 3600), Some(33 * 3600));
        assert_eq!(renewed(6 * 3600), Some(6 * 3600 - 90 * 60));
        assert_eq!(renewed(1200), Some(900));
        assert_eq!(renewed(0), Some(5));
    }
}
