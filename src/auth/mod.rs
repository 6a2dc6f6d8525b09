//! Who calls, and whether they may. Fails closed: whoever isn't known or isn't on the list gets nothing but health.

mod allow;
mod certificate;

pub use allow::{AllowList, Rule};
pub(crate) use certificate::Identities;

use crate::error::Reason;

/// How callers are told apart.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all: whoever reaches the port may call.
    None,
    /// By the names in their client certificate.
    Mtls(AllowList),
}

impl Auth {
    /// Its name, as the flag has it.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mtls(_) => "mtls",
        }
    }

    /// Admits a caller under the name that the list has allowed, if there is one.
    ///
    /// # Errors
    /// `CallerUnauthenticated` for one without a name, `CallerNotAllowed` for one whose names aren't on the list.
    pub(crate) fn admit<'a>(&self, identities: &'a Identities) -> Result<Option<&'a str>, Reason> {
        match self {
            Self::None => Ok(None),
            Self::Mtls(_) if identities.names().is_empty() => Err(Reason::CallerUnauthenticated),
            Self::Mtls(list) => {
                let allowed = identities.names().iter().find(|name| list.allows(name));
                allowed.map(|name| Some(name.as_str())).ok_or(Reason::CallerNotAllowed)
            }
        }
    }
}
