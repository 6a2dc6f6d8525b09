//! Keeps the gateway's AWS credentials: one task loads them and renews them well before they expire; calls only read
//! what is held, so a slow provider never dies with the call that happened to need it.
//!
//! The SDK's own cache loads inside a call, keeps what AWS has called expired, and reads a profile file once.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::config::Aws;
use super::redact::redact_words;
use crate::error::Reason;
use crate::telemetry::Metrics;
use crate::util::backoff::Backoff;
use crate::util::error_chain::chain;
use crate::util::file_watch::FileWatch;
use crate::util::rfc3339::rfc3339;

/// How long one load of the provider chain may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The delay after a failed load.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };
/// Credentials are renewed this long before they expire, or in the last quarter of a shorter life.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(15 * 60);
/// However soon they expire, and however often AWS calls them bad, the provider isn't asked more often than this.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// Where the gateway stands with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialStatus {
    /// None were loaded yet.
    Loading,
    /// They are there.
    Held {
        /// When they expire, if they do.
        expiry: Option<SystemTime>,
    },
    /// None could be loaded yet; the log says why.
    Failed,
}

/// The credentials that calls are signed with. Its `Debug` shows none of them.
pub struct CredentialCache {
    current: watch::Sender<Option<Credentials>>,
    status: watch::Sender<CredentialStatus>,
    renew: Notify,
}

impl CredentialCache {
    /// Holds nothing yet.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        let (current, status) = (watch::Sender::new(None), watch::Sender::new(CredentialStatus::Loading));
        Arc::new(Self { current, status, renew: Notify::new() })
    }

    /// Follows where the gateway stands.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<CredentialStatus> {
        self.status.subscribe()
    }

    /// What is held, if anything.
    pub(super) fn current(&self) -> Option<Credentials> {
        self.current.borrow().clone()
    }

    /// Asks for new credentials if AWS has refused these.
    pub(super) fn on_rejected(&self, reason: Reason) {
        if matches!(reason, Reason::GatewayCredentialsExpired | Reason::GatewayCredentialsRejected) {
            self.renew.notify_one();
        }
    }

    fn load_failed(&self) {
        self.status.send_if_modified(|status| {
            let first = !matches!(status, CredentialStatus::Held { .. });
            if first {
                *status = CredentialStatus::Failed;
            }
            first
        });
    }

    fn store(&self, credentials: Credentials) {
        let status = CredentialStatus::Held { expiry: credentials.expiry() };
        self.current.send_replace(Some(credentials));
        self.status.send_replace(status);
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialCache(redacted)")
    }
}

impl ProvideCredentials for CredentialCache {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(
            self.current().ok_or_else(|| CredentialsError::not_loaded("none held yet")),
        )
    }
}

/// Loads the credentials and keeps them fresh. Never ends by itself: its owner drops it.
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
        // The provider isn't asked more often than this.
        sleep(MIN_INTERVAL.min(wait.unwrap_or(MIN_INTERVAL))).await;
        let remaining = wait.map(|wait| wait.saturating_sub(MIN_INTERVAL));
        tokio::select! {
            () = sleep_or_forever(remaining) => {}
            () = cache.renew.notified() => tracing::info!("AWS refused the credentials; loading them again"),
            () = files.changed() => tracing::info!("the shared files changed; loading the credentials again"),
        }
    }
}

/// One run through the SDK's provider chain, built anew: a provider that has read a file never reads it again.
///
/// # Errors
/// Why there are no credentials, in one line.
pub(super) async fn load(aws: &Aws) -> Result<Credentials, String> {
    let run = async {
        aws.provider()
            .await
            .ok_or("no provider is configured")?
            .provide_credentials()
            .await
            .map_err(|error| redact_words(&chain(&error)))
    };
    match timeout(LOAD_TIMEOUT, run).await {
        Ok(loaded) => loaded,
        Err(_elapsed) => Err(format!("the provider didn't answer within {LOAD_TIMEOUT:?}")),
    }
}

/// Runs the provider chain once and describes its credentials in one line, redacted.
///
/// # Errors
/// Why there are no credentials, in one line.
pub async fn describe_credentials(aws: &Aws) -> Result<String, String> {
    let found = load(aws).await?;
    if let Some(expiry) = found.expiry().filter(|expiry| *expiry <= SystemTime::now()) {
        return Err(format!("the provider's credentials expired at {}", rfc3339(expiry)));
    }
    let key = found.access_key_id();
    let tail = key.get(key.len().saturating_sub(4)..).filter(|_| key.len() >= 16).unwrap_or_default();
    let expiry = found.expiry().map(|at| format!(", until {}", rfc3339(at)));
    Ok(format!("access key ****{tail}{}", expiry.unwrap_or_else(|| ", without expiry".into())))
}

/// How long after `now` credentials are renewed; never, if they don't expire.
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
        assert_eq!(renewed(6 * 3600), Some(6 * 3600 - 15 * 60));
        assert_eq!(renewed(1200), Some(900));
        assert_eq!(renewed(0), Some(5));
    }
}
