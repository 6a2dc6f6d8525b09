//! The results of a signature check and AWS's errors for them.

use serde::Serialize;

/// The result of a signature check, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureVerdict {
    /// The signature is valid.
    Valid,
    /// No `Authorization` header for `SigV4`: `MissingAuthenticationTokenException`.
    Missing,
    /// A part of `Authorization` or the date is missing: `IncompleteSignatureException`.
    Incomplete,
    /// Signed more than five minutes ago: `InvalidSignatureException`.
    Expired,
    /// Signed more than five minutes from now: `InvalidSignatureException`.
    NotYetCurrent,
    /// `Host` is not among the signed headers: `InvalidSignatureException`.
    HostNotSigned,
    /// Another day, region, or service: `InvalidSignatureException`.
    WrongScope,
    /// An unknown key: `UnrecognizedClientException`.
    UnknownKey,
    /// Another secret, or a request that was changed after signing: `InvalidSignatureException`.
    Mismatch,
    /// A wrong, missing, or unexpected session token: `UnrecognizedClientException`.
    WrongToken,
    /// The session is expired: `ExpiredTokenException`.
    TokenExpired,
}

/// The reason for a rejection. Its text is AWS's message.
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
        "The request signature we calculated does not match the signature you provided. Check your AWS \
         Secret Access Key and signing method. Consult the service documentation for details."
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
