//! Caches the tokens that a key set verified, because callers send one token with many calls.
//!
//! Verifying a signature costs as much as signing a request to AWS. A cache belongs to one key set
//! and is dropped with it, so a removed key verifies no token. An entry contains the hash and the
//! subject of a token, never the token, and is valid until the token expires at the latest.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::util::sha256::Sha256;

/// The maximum number of entries, about 200 bytes each. Only the issuer's tokens can fill a cache.
const MAX_ENTRIES: usize = 4096;

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerifiedClaims {
    pub(super) subject: String,
    /// When the token expires. `None` if the claim is not a whole number of seconds.
    pub(super) expires: Option<SystemTime>,
}

/// The tokens that one key set verified.
#[derive(Default)]
pub(super) struct VerifiedTokenCache(Mutex<HashMap<Sha256, Entry>>);

struct Entry {
    subject: String,
    expires: SystemTime,
}

impl VerifiedTokenCache {
    /// The subject of a token that was verified before and hasn't expired.
    ///
    /// The cache grants no leeway for clock skew. After its expiry, a token is verified again.
    pub(super) fn subject(&self, token: &Sha256, now: SystemTime) -> Option<String> {
        self.lock().get(token).filter(|entry| now < entry.expires).map(|entry| entry.subject.clone())
    }

    /// Adds a verified token. A token without a usable expiry isn't cached.
    pub(super) fn insert(&self, token: Sha256, claims: &VerifiedClaims) {
        let Some(expires) = claims.expires else { return };
        let mut entries = self.lock();
        // No LRU: tokens in use are verified again on their next call.
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(token, Entry { subject: claims.subject.clone(), expires });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VerifiedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedTokenCache({})", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn claims(subject: &str, expires: Option<SystemTime>) -> VerifiedClaims {
        VerifiedClaims { subject: subject.to_owned(), expires }
    }

    #[test]
    fn a_token_is_cached_until_it_expires() {
        let (cache, now) = (VerifiedTokenCache::default(), SystemTime::now());
        let expires = now + Duration::from_secs(10);
        cache.insert([1; 32], &claims("one", Some(expires)));
        cache.insert([2; 32], &claims("two", None));
        let just_before = expires - Duration::from_nanos(1);
        assert_eq!(cache.subject(&[1; 32], now).as_deref(), Some("one"));
        assert_eq!(cache.subject(&[1; 32], just_before).as_deref(), Some("one"));
        assert_eq!(cache.subject(&[1; 32], expires), None);
        assert_eq!(cache.subject(&[2; 32], now), None, "a token without an expiry isn't cached");
        assert_eq!(cache.subject(&[3; 32], now), None);
        assert_eq!(format!("{cache:?}"), "VerifiedTokenCache(1)");
    }

    #[test]
    fn the_number_of_entries_is_limited() {
        let (cache, now) = (VerifiedTokenCache::default(), SystemTime::now());
        let hash = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            hash
        };
        for number in 0..=2 * MAX_ENTRIES {
            cache.insert(hash(number), &claims("x", Some(now + Duration::from_secs(1))));
            assert!(cache.lock().len() <= MAX_ENTRIES);
            assert!(cache.subject(&hash(number), now).is_some());
        }
    }
}
