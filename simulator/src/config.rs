//! The settings of a simulator.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::jobs::action::ActionType;

/// The settings that a simulator starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The known keys. The simulator rejects a request that is signed with another key.
    pub keys: Vec<AccessKey>,
    /// The only region that a signature can be scoped to. `None` accepts any region.
    pub region: Option<String>,
    /// The response to the second acknowledge of a job.
    pub second_acknowledge: SecondAcknowledge,
    /// The time on the simulator's clock after which a poll returns a `Dispatched` job again. The
    /// default of 15 seconds is an assumption, because AWS documents no time.
    pub redispatch_after: Duration,
    /// The nonce of a job that a poll returns again.
    pub redispatch_nonce: RedispatchNonce,
    /// Known action types. The action types of all jobs are known too. A poll for any other action
    /// type gets `ActionTypeNotFoundException`.
    pub action_types: Vec<ActionType>,
    /// The maximum size of an object in bytes.
    pub max_object_size: usize,
    /// The maximum number of objects in all buckets together.
    pub max_objects: usize,
}

impl Default for Config {
    /// Both fake keys, any region, `InvalidNonceException` for a second acknowledge, the same nonce
    /// after 15 seconds, and up to 1,000 objects of 10 MiB.
    fn default() -> Self {
        Self {
            keys: vec![AccessKey::fake(), AccessKey::fake_temporary()],
            region: None,
            second_acknowledge: SecondAcknowledge::default(),
            redispatch_after: Duration::from_secs(15),
            redispatch_nonce: RedispatchNonce::default(),
            action_types: Vec::new(),
            max_object_size: 10 << 20,
            max_objects: 1000,
        }
    }
}

/// The response to an acknowledge with the right nonce and token if the job isn't `Dispatched` any
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondAcknowledge {
    /// `InvalidNonceException`, as public job workers expect. AWS's Jenkins plugin concludes from
    /// it that another worker acknowledged the job first.
    #[default]
    InvalidNonce,
    /// The job's current status.
    Status,
}

/// The nonce of a job that a poll returns again. AWS doesn't document it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedispatchNonce {
    /// The same nonce.
    #[default]
    Same,
    /// A new nonce. The earlier nonce becomes invalid.
    New,
}

/// An access key that the simulator knows.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The id in `Credential=`.
    pub access_key_id: String,
    /// The secret that signs requests.
    pub secret_access_key: String,
    /// The session token that every request must carry. A long-lived key has none.
    pub session_token: Option<String>,
    /// Whether the session is expired. A correctly signed request then gets
    /// `ExpiredTokenException`.
    pub expired: bool,
}

impl AccessKey {
    /// A long-lived key.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
            expired: false,
        }
    }

    /// The key for tests, examples, and the command line: `AKIAFAKEFAKEFAKEFAKE` with the secret
    /// `fake-secret-access-key-for-the-simulator`.
    #[must_use]
    pub fn fake() -> Self {
        Self::new("AKIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-the-simulator")
    }

    /// A temporary key like those of STS and EKS Pod Identity: `ASIAFAKEFAKEFAKEFAKE` with the
    /// secret `fake-secret-access-key-for-a-session` and the session token
    /// `fake-session-token-for-the-simulator`.
    #[must_use]
    pub fn fake_temporary() -> Self {
        Self::new("ASIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-a-session")
            .with_session_token("fake-session-token-for-the-simulator")
    }

    /// The same key with this session token.
    #[must_use]
    pub fn with_session_token(self, session_token: impl Into<String>) -> Self {
        Self { session_token: Some(session_token.into()), ..self }
    }

    /// The same key with an expired session.
    #[must_use]
    pub fn expired(self) -> Self {
        Self { expired: true, ..self }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"(redacted)")
            .field("session_token", &self.session_token.as_ref().map(|_| "(redacted)"))
            .field("expired", &self.expired)
            .finish()
    }
}
