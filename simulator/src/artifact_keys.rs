//! The credentials for the artifacts' bucket that job details contain.

use std::collections::VecDeque;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::config::AccessKey;

/// The lifetime of credentials.
const LIFETIME: Duration = Duration::minutes(15);

/// The number of credentials in memory. A simulator can run for days under load.
const KEPT: usize = 10_000;

/// All issued credentials with the time at which they expire.
#[derive(Debug, Default)]
pub(crate) struct ArtifactKeys {
    issued: VecDeque<(OffsetDateTime, AccessKey)>,
}

impl ArtifactKeys {
    /// Issues new, obviously fake credentials.
    pub(crate) fn issue(&mut self, now: OffsetDateTime) -> AccessKey {
        let id = Uuid::new_v4().simple().to_string();
        let access_key_id = format!("ASIAFAKE{}", id[..12].to_uppercase());
        let key = AccessKey::new(access_key_id, format!("fake-artifact-secret-{id}"))
            .with_session_token(format!("fake-artifact-session-token-{id}"));
        if self.issued.len() == KEPT {
            self.issued.pop_front();
        }
        self.issued.push_back((now + LIFETIME, key.clone()));
        key
    }

    /// The credentials with this access key id, marked as expired after their lifetime.
    pub(crate) fn find(&self, access_key_id: &str, now: OffsetDateTime) -> Option<AccessKey> {
        let (expires, key) = self.issued.iter().find(|(_, key)| key.access_key_id == access_key_id)?;
        Some(AccessKey { expired: *expires <= now, ..key.clone() })
    }
}
