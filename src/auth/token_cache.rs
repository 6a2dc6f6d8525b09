//! Tokens that a set of keys has verified before: a caller sends one token with many calls, and to verify its signature
//! costs as much as signing the request to AWS does.
//!
//! Kept are a token's hash and whose it is, never the token. They are part of their key set and go with it, so that a key
//! that is gone verifies nothing any longer; and they hold until the token expires at the latest.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::util::sha256::Sha256;

/// How many are kept, at some 200 bytes each. Only good tokens are: to fill it takes so many of the issuer's own.
const MAX_KEPT: usize = 4096;

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerifiedClaims {
    pub(super) subject: String,
    /// When it expires, if that can be told.
    pub(super) expires: Option<SystemTime>,
}

/// The tokens that one key set has verified.
#[derive(Default)]
pub(super) struct VerifiedTokenCache(Mutex<HashMap<Sha256, Kept>>);

struct Kept {
    subject: String,
    until: SystemTime,
}

impl VerifiedTokenCache {
    /// The subject of a token that was verified before and hasn't expired. The time in which the issuer's clock may differ
    /// from ours isn't for this to grant: in it, the token is verified again.
    pub(super) fn subject(&self, token: &Sha256, now: SystemTime) -> Option<String> {
        self.lock().get(token).filter(|kept| now < kept.until).map(|kept| kept.subject.clone())
    }

    /// Keeps a token that has just been verified.
    pub(super) fn keep(&self, token: Sha256, claims: &VerifiedClaims) {
        let Some(until) = claims.expires else { return };
        let mut kept = self.lock();
        // Which of them are still in use nobody knows: those that are come back with their next call.
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(token, Kept { subject: claims.subject.clone(), until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256, Kept>> {
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
    fn a_token_is_known_until_it_expires_and_no_other_is() {
        let (verified, now) = (VerifiedTokenCache::default(), SystemTime::now());
        let expires = now + Duration::from_secs(10);
        verified.keep([1; 32], &claims("one", Some(expires)));
        verified.keep([2; 32], &claims("two", None));
        let just_before = expires - Duration::from_nanos(1);
        assert_eq!(verified.subject(&[1; 32], now).as_deref(), Some("one"));
        assert_eq!(verified.subject(&[1; 32], just_before).as_deref(), Some("one"));
        assert_eq!(verified.subject(&[1; 32], expires), None);
        assert_eq!(verified.subject(&[2; 32], now), None, "nobody knows how long it holds");
        assert_eq!(verified.subject(&[3; 32], now), None);
        assert_eq!(format!("{verified:?}"), "VerifiedTokenCache(1)");
    }

    #[test]
    fn there_are_only_so_many() {
        let (verified, now) = (VerifiedTokenCache::default(), SystemTime::now());
        let hash = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            hash
        };
        for number in 0..=2 * MAX_KEPT {
            verified.keep(hash(number), &claims("x", Some(now + Duration::from_secs(1))));
            assert!(verified.lock().len() <= MAX_KEPT);
            assert!(verified.subject(&hash(number), now).is_some());
        }
    }
}
