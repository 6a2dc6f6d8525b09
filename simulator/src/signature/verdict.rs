//! What a signature check can find, and how AWS says it.

use serde::Serialize;

/// What the check of a request's signature found, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureVerdict {
    /// It is right.
    Valid,
    /// There is no `Authorization` for `SigV4`: `MissingAuthenticationTokenException`.
    Missing,
    /// `Authorization` or the date lacks something: `IncompleteSignatureException`.
    Incomplete,
    /// Signed more than five minutes ago: `InvalidSignatureException`.
    Expired,
    /// Signed more than five minutes from now: `InvalidSignatureException`.
    NotYetCurrent,
    /// `Host` is not among the signed headers: `InvalidSignatureException`.
    HostNotSigned,
    /// Another day, region or service: `InvalidSignatureException`.
    WrongScope,
    /// A key that the simulator doesn't know: `UnrecognizedClientException`.
    UnknownKey,
    /// Another secret, or a request that was changed on its way: `InvalidSignatureException`.
    Mismatch,
    /// Another session token, none where one is due, or one where none is: `UnrecognizedClientException`.
    WrongToken,
    /// The session is over: `ExpiredTokenException`.
    TokenExpired,
}

/// Why a request is refused; its text is AWS's message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("Missing Authentication Token")]
    Missing,
    #[error("{0}")]
    Incomplete(String),
    #[error("Signature expired: {date} is now earlier than {earliest} ({now} - 5 min.)")]
    Expired { date: String, earliest: String, now: String },
    #[error("Signature not yet current: {date} is still later than {latest} ({now} + 5 min.)")]
    NotYetCurrent { date: String, latest: String, now: String },
    #[error("'Host' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    #[error("{0}")]
    WrongScope(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    #[error("The security token included in the request is invalid.")]
    WrongToken,
    #[error("The security token included in the request is expired")]
    TokenExpired,
}

impl Rejection {
    /// AWS's error code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::HostNotSigned
            | Self::WrongScope(_)
            | Self::Mismatch => "InvalidSignatureException",
            Self::UnknownKey | Self::WrongToken => "UnrecognizedClientException",
            Self::TokenExpired => "ExpiredTokenException",
        }
    }

    pub(crate) fn verdict(&self) -> SignatureVerdict {
        match self {
            Self::Missing => SignatureVerdict::Missing,
            Self::Incomplete(_) => SignatureVerdict::Incomplete,
            Self::Expired { .. } => SignatureVerdict::Expired,
            Self::NotYetCurrent { .. } => SignatureVerdict::NotYetCurrent,
            Self::HostNotSigned => SignatureVerdict::HostNotSigned,
            Self::WrongScope(_) => SignatureVerdict::WrongScope,
            Self::UnknownKey => SignatureVerdict::UnknownKey,
            Self::Mismatch => SignatureVerdict::Mismatch,
            Self::WrongToken => SignatureVerdict::WrongToken,
            Self::TokenExpired => SignatureVerdict::TokenExpired,
        }
    }
}
