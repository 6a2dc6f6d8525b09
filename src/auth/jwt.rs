//! Who calls, by the bearer token of the call.

use std::fmt;
use std::time::SystemTime;

use http::HeaderMap;
use tokio::sync::watch;

use super::allow_list::{AllowList, SUBJECT};
use super::key_cache::{KeyCache, KeyStatus};
use super::key_source::KeySource;
use super::refresh::RefreshSchedule;
use super::token::{Bearer, Expected};
use crate::call::Call;
use crate::error::{Failure, Reason};
use crate::telemetry::Metrics;

/// Which tokens are accepted, and whose.
#[derive(Debug)]
pub struct Jwt {
    allow: AllowList,
    expected: Expected,
    keys: KeyCache,
}

impl fmt::Display for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.expected, self.allow)
    }
}

impl Jwt {
    /// Tokens of this issuer for this audience, signed with these keys, whose subjects are on the list.
    #[must_use]
    pub fn new(
        issuer: String,
        audience: &str,
        keys: KeySource,
        allow: AllowList,
        schedule: RefreshSchedule,
    ) -> Self {
        Self { allow, expected: Expected::new(issuer, audience), keys: KeyCache::new(keys, schedule) }
    }

    /// Loads the keys once and tells in one line what was found.
    ///
    /// # Errors
    /// Why there are none, in one line.
    pub async fn describe_keys(&self) -> Result<String, String> {
        let found = self.keys.source().load().await?;
        Ok(format!("{} from {}{}", found.len(), self.keys.source(), found.left_out()))
    }

    pub(super) async fn keep_fresh(&self, metrics: &Metrics) {
        self.keys.keep_fresh(metrics).await;
    }

    pub(super) fn key_status(&self) -> watch::Receiver<KeyStatus> {
        self.keys.status()
    }

    /// Admits the call if its token is good and its subject is on the list.
    pub(super) async fn admit(&self, headers: &mut HeaderMap, call: &Call) -> Result<(), Failure> {
        let subject = self.subject(headers).await.inspect_err(|refused| {
            tracing::debug!(
                request_id = call.request_id(),
                why = &*refused.message(call.method()),
                "refused a token"
            );
        })?;
        let name = format!("{SUBJECT}{subject}");
        call.set_caller(&name);
        if self.allow.allows(&name) { Ok(()) } else { Err(Failure::not_sent(Reason::CallerNotAllowed)) }
    }

    async fn subject(&self, headers: &mut HeaderMap) -> Result<String, Failure> {
        let token = Bearer::take(headers)?;
        let signed = token.signed()?;
        let keys = self.keys.get(&signed.key_id, signed.algorithm).await;
        // Nobody can tell a good token from a bad one then, and that isn't the caller's fault.
        let keys = keys.map_err(|_none| Failure::not_sent(Reason::GatewayKeysUnavailable))?;
        let hash = token.hash();
        if let Some(subject) = keys.verified.subject(&hash, SystemTime::now()) {
            return Ok(subject);
        }
        let claims = self.expected.verify(&token, keys.set.find(&signed.key_id, signed.algorithm))?;
        keys.verified.insert(hash, &claims);
        Ok(claims.subject)
    }
}
