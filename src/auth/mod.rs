//! Who calls, and whether they may. Fails closed: whoever isn't known or isn't on the list gets nothing but health.
//!
//! With `jwt` a call's token (`token`) is verified with the keys that are held (`keys`), which one task loads (`source`,
//! `fetch`) and reduces to those that may sign (`jwks`), unless they have verified it before (`verified`); the name that it
//! gives is looked up on the list (`allow`).

mod allow_list;
mod certificate;
mod https;
mod jwt;
mod key_cache;
mod key_set;
mod key_source;
mod refresh;
mod rejection;
mod token;
mod token_cache;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::watch;

pub use allow_list::{AllowList, Rule};
pub(crate) use certificate::Identities;
pub use https::{Access, AccessError, HttpsUrl};
pub use jwt::Jwt;
pub(crate) use key_cache::KeyStatus;
pub use key_source::KeySource;
pub use refresh::RefreshSchedule;

use crate::call::Call;
use crate::error::{Failure, Reason};
use crate::telemetry::Metrics;

/// How callers are told apart.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all: whoever reaches the port may call.
    None,
    /// By the names in their client certificate.
    Mtls(AllowList),
    /// By the bearer token of each call.
    Jwt(Arc<Jwt>),
}

impl Auth {
    /// Its name, as the flag has it.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mtls(_) => "mtls",
            Self::Jwt(_) => "jwt",
        }
    }

    /// Admits a call or doesn't, and notes in it who calls. Its `authorization` header is gone afterwards.
    ///
    /// # Errors
    /// `CallerUnauthenticated` for a caller without a name, `CallerNotAllowed` for one whose names aren't on the list,
    /// `GatewayKeysUnavailable` if that can't be told.
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
        // Nobody has asked for a token; one that is there all the same is nobody's to log.
        headers.remove(AUTHORIZATION);
        list.map_or(Ok(()), |list| by_certificate(list, identities, call))
    }

    /// Loads what callers are checked with, and looks for changes. Runs until its owner drops it.
    pub(crate) async fn keep_fresh(&self, metrics: &Metrics) {
        match self {
            Self::None | Self::Mtls(_) => std::future::pending().await,
            Self::Jwt(jwt) => jwt.keep_fresh(metrics).await,
        }
    }

    /// Follows whether the keys are there that callers are checked with.
    pub(crate) fn key_status(&self) -> watch::Receiver<KeyStatus> {
        match self {
            Self::None | Self::Mtls(_) => watch::Sender::new(KeyStatus::Ready).subscribe(),
            Self::Jwt(jwt) => jwt.key_status(),
        }
    }
}

/// How callers are told apart, and who may call.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "{}: whoever reaches the port may call", self.mode()),
            Self::Mtls(list) => write!(f, "{}: {list}", self.mode()),
            Self::Jwt(jwt) => write!(f, "{}: {jwt}", self.mode()),
        }
    }
}

fn by_certificate(list: &AllowList, identities: &Identities, call: &Call) -> Result<(), Failure> {
    let names = identities.names();
    let first = names.first().ok_or_else(|| Failure::not_sent(Reason::CallerUnauthenticated))?;
    let allowed = names.iter().find(|name| list.allows(name));
    call.set_caller(allowed.unwrap_or(first));
    allowed.map(|_| ()).ok_or_else(|| Failure::not_sent(Reason::CallerNotAllowed))
}
