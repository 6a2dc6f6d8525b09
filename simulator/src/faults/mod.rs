//! What can be asked to go wrong. One set of types serves the Rust API, the job file and the control API;
//! their JSON is externally tagged, `{"error": {"code": "ThrottlingException"}}`, so that a misspelt key is
//! an error with its place.

mod responses;

use serde::{Deserialize, Serialize};

pub use self::responses::{AnswerFault, ErrorFault, MessageKey, Shape};

/// What happens to one call instead of CodePipeline's own answer. The request has been read when it strikes,
/// and its signature has been checked for the record only: a fault outranks everything that CodePipeline
/// would say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An AWS error, in any of the shapes that AWS errors come in.
    Error(ErrorFault),
    /// Exactly this answer.
    Answer(AnswerFault),
    /// A late answer.
    Delay {
        /// How late, in milliseconds.
        ms: u64,
        /// What comes after the delay.
        #[serde(default)]
        then: Then,
    },
    /// No answer at all, until the client goes or the simulator stops.
    Hang {
        /// Whether the job is acknowledged all the same.
        #[serde(default)]
        process: bool,
    },
    /// A TCP reset (RST).
    Reset {
        /// When it strikes.
        when: CallMoment,
    },
    /// A clean end of the connection (FIN) instead of an answer.
    Close {
        /// When it strikes.
        when: CallMoment,
    },
    /// An answer whose `Content-Length` promises more than comes: half the body, then a clean end.
    CutBody {
        /// Whether the job is acknowledged all the same; the body is then the true answer's.
        #[serde(default)]
        process: bool,
        /// The status to answer with; by default 200, or 400 if there is a `code`, or the true answer's if
        /// processed.
        #[serde(
            default,
            deserialize_with = "responses::optional_status",
            skip_serializing_if = "Option::is_none"
        )]
        http_status: Option<u16>,
        /// The AWS error code in the body; ignored with `process`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A 200 whose body is broken JSON.
    MalformedBody {
        /// Whether the job is acknowledged all the same.
        #[serde(default)]
        process: bool,
    },
}

impl Fault {
    /// An AWS error as `{"__type": code}` with HTTP 400; see [`ErrorFault`] for every other shape.
    #[must_use]
    pub fn error(code: impl Into<String>) -> Self {
        Self::Error(ErrorFault::new(code))
    }

    /// A bare status with an empty body, as load balancers send it.
    #[must_use]
    pub fn status(http_status: u16) -> Self {
        Self::Answer(AnswerFault { http_status, ..AnswerFault::default() })
    }

    /// An ordinary answer that comes `ms` milliseconds late; the job is acknowledged after the delay.
    #[must_use]
    pub fn delay(ms: u64) -> Self {
        Self::Delay { ms, then: Then::Process }
    }

    /// The name that it has in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Answer(_) => "answer",
            Self::Delay { .. } => "delay",
            Self::Hang { .. } => "hang",
            Self::Reset { .. } => "reset",
            Self::Close { .. } => "close",
            Self::CutBody { .. } => "cut_body",
            Self::MalformedBody { .. } => "malformed_body",
        }
    }
}

impl From<ErrorFault> for Fault {
    fn from(error: ErrorFault) -> Self {
        Self::Error(error)
    }
}

impl From<AnswerFault> for Fault {
    fn from(answer: AnswerFault) -> Self {
        Self::Answer(answer)
    }
}

/// What follows a delay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The call is processed after the delay: a client that left before it changed nothing.
    #[default]
    Process,
    /// The call is processed before the delay: only the answer is late.
    Answer,
    /// Another fault.
    Fault(Box<Fault>),
}

/// Where in a call the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallMoment {
    /// The request was read, nothing happened.
    AfterRequestRead,
    /// The job was acknowledged, the client doesn't learn of it.
    AfterProcessing,
}

/// What happens to one new connection before any request on it is read. A connection that a client has kept
/// open is not touched: which call it strikes is up to the client's pool. No request is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectionFault {
    /// A TCP reset (RST).
    Reset {
        /// When it strikes.
        when: ConnectionMoment,
    },
    /// A clean end (FIN).
    Close {
        /// When it strikes.
        when: ConnectionMoment,
    },
}

/// When a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionMoment {
    /// At once: the client may or may not have sent its request by then.
    OnAccept,
    /// As soon as the first bytes of a request are there, unread: the client has surely sent some of it.
    BeforeRequestRead,
}
