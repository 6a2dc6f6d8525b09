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
                "The call has no bearer token; send one as `authorization` metadata: Bearer, a space, \
                 the token."
            }
            Self::Malformed => {
                "The bearer token is malformed; one signed JWT of at most 8 KiB with kid, exp, iss, aud \
                 and sub is accepted."
            }
            Self::Algorithm => {
                "The bearer token is signed by an algorithm that isn't accepted; RS256 and ES256 are."
            }
            Self::Signature => "The bearer token isn't signed by a key that the gateway has from its issuer.",
            Self::Expired => "The bearer token has expired; get a new one.",
            Self::NotYetValid => {
                "The bearer token isn't valid yet; compare the issuer's clock and the gateway's."
            }
            Self::Issuer => "The bearer token is from another issuer than the gateway's.",
            Self::Audience => "The bearer token is for another audience than the gateway's.",
        }
    }
}

impl From<TokenRejection> for Failure {
    fn from(rejection: TokenRejection) -> Self {
        Self::not_sent(Reason::CallerUnauthenticated).with_message(rejection.message())
    }
}
