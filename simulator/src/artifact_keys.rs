//! The credentials for the artifacts' bucket that job details contain.

use std::collections::VecDeque;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::config::AccessKey;

/// The lifetime of credentials.
const LIFETIME: Duration = Duration::minutes(15);

/// The number of credentials in memory. A simulator can run for days under load.
const KEPT: usize = 10_000;

/// Credentials and the job whose details contained them.
#[derive(Debug, Clone)]
pub(crate) struct IssuedKey {
    pub(crate) key: AccessKey,
    pub(crate) job_id: String,
    expires: OffsetDateTime,
}

/// All issued credentials.
#[derive(Debug, Default)]
pub(crate) struct ArtifactKeys {
    issued: VecDeque<IssuedKey>,
}

impl ArtifactKeys {
    /// Issues new, obviously fake credentials for the artifacts of a job.
    pub(crate) fn issue(&mut self, job_id: &str, now: OffsetDateTime) -> AccessKey {
        let id = Uuid::new_v4().simple().to_string();
        let access_key_id = format!("ASIAFAKE{}", id[..12].to_uppercase());
        let key = AccessKey::new(access_key_id, format!("fake-artifact-secret-{id}"))
            .with_session_token(format!("fake-artifact-session-token-{id}"));
        if self.issued.len() == KEPT {
            self.issued.pop_front();
        }
        let (job_id, expires) = (job_id.to_owned(), now + LIFETIME);
        self.issued.push_back(IssuedKey { key: key.clone(), job_id, expires });
        key
    }

    /// The credentials with this access key id, marked as expired after their lifetime.
    pub(crate) fn find(&self, access_key_id: &str, now: OffsetDateTime) -> Option<IssuedKey> {
        let mut issued = self.issued.iter().find(|issued| issued.key.access_key_id == access_key_id)?.clone();
        issued.key.expired = issued.expires <= now;
        Some(issued)
    }
}
