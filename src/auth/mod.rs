//! Authenticates callers and authorizes them against the allowlist.
//!
//! In the modes `mtls` and `jwt`, every request except health checks needs an identity on the
//! allowlist.
//!
//! In the mode `jwt`, one task loads the issuer's keys (`key_source`, `https`), reads the usable
//! ones (`key_set`), and caches them (`key_cache`). A call's token (`token`) is verified with these
//! keys, unless they verified it before (`token_cache`). Its subject is the caller's identity.

mod allow_list;
mod certificate;
mod https;
mod jwt;
mod key_cache;
mod key_set;
mod key_source;
mod refresh;
mod rejection;
mod rule;
mod token;
mod token_cache;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::watch;

pub use allow_list::AllowList;
pub(crate) use certificate::Identities;
pub use https::{Access, AccessError, HttpsUrl};
pub use jwt::Jwt;
pub(crate) use key_cache::KeyStatus;
pub use key_source::KeySource;
pub use refresh::RefreshSchedule;
pub use rule::{Entry, Rule};

use crate::call::Call;
use crate::error::{Failure, Reason};
use crate::telemetry::Metrics;

/// The authentication mode, with the callers that it allows.
#[derive(Clone, Debug)]
pub enum Auth {
    /// No authentication. Every client that reaches the port can call.
    None,
    /// Identities come from client certificates.
    Mtls(AllowList),
    /// Identities come from the bearer token of each call.
    Jwt(Arc<Jwt>),
}

impl Auth {
    /// The name of the mode, as in the flag `--auth`.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mtls(_) => "mtls",
            Self::Jwt(_) => "jwt",
        }
    }

    /// Authenticates and authorizes a call, and sets its caller.
    ///
    /// It removes the `authorization` header.
    ///
    /// # Errors
    /// - `CallerUnauthenticated`: the caller has no identity.
    /// - `CallerNotAllowed`: no identity of the caller is on the list.
    /// - `GatewayKeysUnavailable`: there are no keys to verify a token with.
    pub(crate) async fn admit(
        &self,
        headers: &mut HeaderMap,
        identities: &Identities,
        call: &Call,
    ) -> Result<(), Failure> {
        let list = match self {
            Self::Jwt(jwt) => return jwt.admit(headers, call).await,
            Self::Mtls(list) => Some(list),
            Self::None => None,
        };
        // This mode needs no token. Without the header, no later code can log one.
        headers.remove(AUTHORIZATION);
        list.map_or(Ok(()), |list| authorize(list, identities, call))
    }

    /// Loads and refreshes the verification keys. Runs until its owner drops it.
    pub(crate) async fn keep_fresh(&self, metrics: &Metrics) {
        match self {
            Self::None | Self::Mtls(_) => std::future::pending().await,
            Self::Jwt(jwt) => jwt.keep_fresh(metrics).await,
        }
    }

    /// Follows the status of the verification keys.
    pub(crate) fn key_status(&self) -> watch::Receiver<KeyStatus> {
        match self {
            Self::None | Self::Mtls(_) => watch::Sender::new(KeyStatus::Ready).subscribe(),
            Self::Jwt(jwt) => jwt.key_status(),
        }
    }
}

/// The mode and its allowlist, for operators.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "{}: any client that reaches the port can call", self.mode()),
            Self::Mtls(list) => write!(f, "{}: {list}", self.mode()),
            Self::Jwt(jwt) => write!(f, "{}: {jwt}", self.mode()),
        }
    }
}

/// Authorizes a call by the identities in its client certificate, and sets its caller.
fn authorize(list: &AllowList, identities: &Identities, call: &Call) -> Result<(), Failure> {
    let checked = identities.names().iter().map(|name| (name, list.check(name, call.method())));
    let best = checked.min_by_key(|(_, allowed)| *allowed);
    let (name, allowed) = best.ok_or_else(|| Failure::not_sent(Reason::CallerUnauthenticated))?;
    call.set_caller(name);
    allowed.into_result()
}
