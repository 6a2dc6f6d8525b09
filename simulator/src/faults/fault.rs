//! The faults of a call and of a connection.

use serde::{Deserialize, Serialize};

use super::responses::{AnswerFault, ErrorFault, optional_status};

/// A failure of one call. It applies after the request is read. The signature check then serves the
/// record only, because a fault takes precedence over every response of CodePipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An AWS error in any of the shapes of AWS errors.
    Error(ErrorFault),
    /// Exactly this response.
    Answer(AnswerFault),
    /// A late response.
    Delay {
        /// The delay in milliseconds.
        ms: u64,
        /// The event after the delay.
        #[serde(default)]
        then: Then,
    },
    /// No response until the client disconnects or the simulator stops.
    Hang {
        /// Whether the call is processed.
        #[serde(default)]
        process: bool,
    },
    /// A TCP reset (RST).
    Reset {
        /// The moment at which it applies.
        when: CallMoment,
    },
    /// A clean end of the connection (FIN) instead of a response.
    Close {
        /// The moment at which it applies.
        when: CallMoment,
    },
    /// Half of the body that `Content-Length` announces, then a clean end of the connection.
    CutBody {
        /// Whether the call is processed. The body is then that of the true response.
        #[serde(default)]
        process: bool,
        /// The status of the response. The default is 200, or 400 with a `code`, or the true status
        /// with `process`.
        #[serde(default, deserialize_with = "optional_status", skip_serializing_if = "Option::is_none")]
        http_status: Option<u16>,
        /// The AWS error code in the body. It is ignored with `process`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A 200 whose body is broken JSON.
    MalformedBody {
        /// Whether the call is processed.
        #[serde(default)]
        process: bool,
    },
}

impl Fault {
    /// An AWS error as `{"__type": code}` with HTTP 400. [`ErrorFault`] has all other shapes.
    #[must_use]
    pub fn error(code: impl Into<String>) -> Self {
        Self::Error(ErrorFault::new(code))
    }

    /// A bare status with an empty body, as a load balancer sends it.
    #[must_use]
    pub fn status(http_status: u16) -> Self {
        Self::answer(http_status, "")
    }

    /// A response with this status and body. [`AnswerFault`] can also have headers.
    #[must_use]
    pub fn answer(http_status: u16, body: impl Into<String>) -> Self {
        Self::Answer(AnswerFault { http_status, body: body.into(), ..AnswerFault::default() })
    }

    /// An ordinary response that is `ms` milliseconds late. The call is processed after the delay.
    #[must_use]
    pub fn delay(ms: u64) -> Self {
        Self::Delay { ms, then: Then::Process }
    }

    /// The name of the fault in JSON.
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

/// The event after a delay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The call is processed after the delay. A client that disconnects earlier changes nothing.
    #[default]
    Process,
    /// The call is processed before the delay. Only the response is late.
    Answer,
    /// Another fault.
    Fault(Box<Fault>),
}

/// The moment in a call at which the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallMoment {
    /// After the request was read, before it is processed.
    AfterRequestRead,
    /// After the call was processed. The client doesn't get the response.
    AfterProcessing,
}

/// A failure of one new connection before any request on it is read. It never applies to a
/// connection that a client reuses, because the client's pool decides which call uses it. There is
/// no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectionFault {
    /// A TCP reset (RST).
    Reset {
        /// The moment at which it applies.
        when: ConnectionMoment,
    },
    /// A clean end (FIN).
    Close {
        /// The moment at which it applies.
        when: ConnectionMoment,
    },
}

/// The moment at which a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionMoment {
    /// Immediately. The client might not have sent its request yet.
    OnAccept,
    /// When the first bytes of a request have arrived. The client has sent a part of the request.
    BeforeRequestRead,
}
