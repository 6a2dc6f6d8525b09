//! Defines why a token is rejected, and the error message for its caller.
//!
//! The messages are constants, so they can't contain a part of the token.

use jsonwebtoken::errors::ErrorKind;

use crate::error::{Failure, Reason};

/// The reason why a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRejection {
    Missing,
    Malformed,
    Algorithm,
    Signature,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
}

impl TokenRejection {
    /// Converts an error of the JWT library.
    pub(super) fn from_error(error: &ErrorKind) -> Self {
        match error {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidAudience => Self::Audience,
            _ => Self::Malformed,
        }
    }

    /// The error message for the caller.
    const fn message(self) -> &'static str {
        match self {
            Self::Missing => {
                "The call has no bearer token. Nothing was sent. Send it as `authorization` metadata: \
                 Bearer, a space, the token."
            }
            Self::Malformed => {
                "The bearer token is malformed. Nothing was sent. Send one signed JWT of at most 8 KiB with \
                 kid, exp, iss, aud and sub."
            }
            Self::Algorithm => {
                "The bearer token has an unsupported algorithm. Nothing was sent. Use RS256 or ES256."
            }
            Self::Signature => {
                "No key of the gateway verifies the bearer token. Nothing was sent. Send a token of the \
                 gateway's issuer."
            }
            Self::Expired => "The bearer token has expired. Nothing was sent. Get a new one.",
            Self::NotYetValid => {
                "The bearer token isn't valid yet. Nothing was sent. Compare the issuer's clock with the \
                 gateway's."
            }
            Self::Issuer => {
                "The bearer token is from another issuer. Nothing was sent. Send a token of the gateway's \
                 issuer."
            }
            Self::Audience => {
                "The bearer token is for another audience. Nothing was sent. Send a token for the gateway's \
                 audience."
            }
        }
    }
}

impl From<TokenRejection> for Failure {
    fn from(rejection: TokenRejection) -> Self {
        Self::not_sent(Reason::CallerUnauthenticated).with_message(rejection.message())
    }
}
