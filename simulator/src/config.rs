//! What a simulator is started with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a simulator behaves from its start on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The keys that it knows; a request signed with any other is refused.
    pub keys: Vec<AccessKey>,
    /// The only region that a signature may be scoped to; `None` takes any.
    pub region: Option<String>,
    /// What the second acknowledge of a job is answered with.
    pub second_acknowledge: SecondAcknowledge,
}

impl Default for Config {
    /// Both fake keys, any region, and `InvalidNonceException` for a second acknowledge.
    fn default() -> Self {
        Self {
            keys: vec![AccessKey::fake(), AccessKey::fake_temporary()],
            region: None,
            second_acknowledge: SecondAcknowledge::default(),
        }
    }
}

/// What a job that is no longer `Dispatched` answers to an acknowledge with the right nonce and token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondAcknowledge {
    /// `InvalidNonceException`, what public job workers rely on (AWS's Jenkins plugin reads it as "another
    /// worker was first").
    #[default]
    InvalidNonce,
    /// The job's current status.
    Status,
}

/// An access key that the simulator knows.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half, as it stands in `Credential=`.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// The session token that has to come along; `None` for a long-lived key, which must come without one.
    pub session_token: Option<String>,
    /// Whether its session is over: a well-signed request gets `ExpiredTokenException`.
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

    /// The key that tests, examples and the command line use: `AKIAFAKEFAKEFAKEFAKE` with the secret
    /// `fake-secret-access-key-for-the-simulator`.
    #[must_use]
    pub fn fake() -> Self {
        Self::new("AKIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-the-simulator")
    }

    /// A temporary key beside it, as STS and EKS Pod Identity give them: `ASIAFAKEFAKEFAKEFAKE` with the secret
    /// `fake-secret-access-key-for-a-session` and the session token `fake-session-token-for-the-simulator`.
    #[must_use]
    pub fn fake_temporary() -> Self {
        Self::new("ASIAFAKEFAKEFAKEFAKE", "fake-secret-access-key-for-a-session")
            .with_session_token("fake-session-token-for-the-simulator")
    }

    /// The same key as a temporary one with this session token.
    #[must_use]
    pub fn with_session_token(self, session_token: impl Into<String>) -> Self {
        Self { session_token: Some(session_token.into()), ..self }
    }

    /// The same key with its session over.
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
