//! Authenticates a call by its bearer token and authorizes the token's subject.

use std::fmt;
use std::time::SystemTime;

use http::HeaderMap;
use tokio::sync::watch;

use super::allow_list::AllowList;
use super::key_cache::{KeyCache, KeyStatus};
use super::key_source::KeySource;
use super::refresh::RefreshSchedule;
use super::rule::SUBJECT;
use super::token::{Bearer, TokenVerifier};
use crate::call::Call;
use crate::error::{Failure, Reason};
use crate::telemetry::Metrics;

/// The authentication mode `jwt`: the accepted tokens, their keys, and the allowed subjects.
#[derive(Debug)]
pub struct Jwt {
    allow: AllowList,
    verifier: TokenVerifier,
    keys: KeyCache,
}

impl fmt::Display for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.verifier, self.allow)
    }
}

impl Jwt {
    /// Accepts tokens of this issuer for this audience that these keys signed. Allows the subjects
    /// on the list.
    #[must_use]
    pub fn new(
        issuer: String,
        audience: &str,
        keys: KeySource,
        allow: AllowList,
        schedule: RefreshSchedule,
    ) -> Self {
        Self { allow, verifier: TokenVerifier::new(issuer, audience), keys: KeyCache::new(keys, schedule) }
    }

    /// Loads the keys once and describes them in one line.
    ///
    /// # Errors
    /// The reason why loading failed, in one line.
    pub async fn describe_keys(&self) -> Result<String, String> {
        let set = self.keys.source().load().await?;
        Ok(format!("{} from {}{}", set.len(), self.keys.source(), set.skipped()))
    }

    pub(super) async fn keep_fresh(&self, metrics: &Metrics) {
        self.keys.keep_fresh(metrics).await;
    }

    pub(super) fn key_status(&self) -> watch::Receiver<KeyStatus> {
        self.keys.status()
    }

    /// Authenticates the call by its token and authorizes the token's subject.
    pub(super) async fn admit(&self, headers: &mut HeaderMap, call: &Call) -> Result<(), Failure> {
        let subject = self.subject(headers).await.inspect_err(|failure| {
            tracing::debug!(
                request_id = call.request_id(),
                why = &*failure.message(call.method()),
                "rejected a token"
            );
        })?;
        let name = format!("{SUBJECT}{subject}");
        call.set_caller(&name);
        self.allow.check(&name, call.method()).into_result()
    }

    /// The subject of the call's token, after verification.
    async fn subject(&self, headers: &mut HeaderMap) -> Result<String, Failure> {
        let token = Bearer::take(headers)?;
        let hash = token.hash();
        if let Ok(keys) = self.keys.current()
            && let Some(subject) = keys.verified.subject(&hash, SystemTime::now())
        {
            return Ok(subject);
        }
        let hint = token.key_hint()?;
        let keys = self.keys.get(&hint.key_id, hint.algorithm).await;
        // Without keys, the gateway can't verify any token. The caller isn't at fault.
        let keys = keys.map_err(|_none| Failure::not_sent(Reason::GatewayKeysUnavailable))?;
        let claims = self.verifier.verify(&token, keys.set.find(&hint.key_id, hint.algorithm))?;
        keys.verified.insert(hash, &claims);
        Ok(claims.subject)
    }
}
