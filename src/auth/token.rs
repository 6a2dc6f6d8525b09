//! Reads the bearer token of a call and verifies its signature and claims.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::key_set::Key;
use super::rejection::TokenRejection;
use super::token_cache::VerifiedClaims;
use crate::util::sha256::{Sha256, sha256};

/// The maximum length of a token in bytes: half of the limit for all headers of a call.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The accepted difference between the issuer's clock and the gateway's.
const CLOCK_LEEWAY_SECONDS: u64 = 30;

/// A bearer token with the shape of a JWT. `Debug` hides it, because it is a secret.
pub(super) struct Bearer {
    header: HeaderValue,
    /// The offset of the token in the header value.
    offset: usize,
}

/// The key that a token claims to be signed with. It is unverified, so it only selects a key.
#[derive(Debug)]
pub(super) struct KeyHint {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
}

/// Verifies tokens of one issuer for one audience.
#[derive(Debug)]
pub(super) struct TokenVerifier {
    issuer: String,
    audience: String,
    rs256: Validation,
    es256: Validation,
}

/// The fields of a token's JOSE header that the gateway uses.
#[derive(Deserialize)]
struct JoseHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: Option<String>,
    /// Whether the header names critical extensions. The gateway knows none, so it must reject such
    /// tokens (RFC 7515, section 4.1.11).
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
}

/// True for any value, also for `null`.
fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

#[derive(Deserialize)]
struct Claims {
    // The library also accepts a list of issuers, but RFC 7519 defines a single one.
    iss: String,
    sub: String,
    // Any JSON value, because the library validates the type and the time.
    #[serde(default)]
    exp: serde_json::Value,
}

impl Bearer {
    /// Removes the token from the headers, so that no later code can log it.
    ///
    /// # Errors
    /// There isn't exactly one token, or it doesn't have the shape of a JWT.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Self, TokenRejection> {
        let several = headers.get_all(AUTHORIZATION).iter().nth(1).is_some();
        let header = headers.remove(AUTHORIZATION).ok_or(TokenRejection::Missing)?;
        if several { Err(TokenRejection::Malformed) } else { Self::parse(header) }
    }

    fn parse(header: HeaderValue) -> Result<Self, TokenRejection> {
        let (scheme, rest) =
            header.as_bytes().split_at_checked("Bearer ".len()).ok_or(TokenRejection::Missing)?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return Err(TokenRejection::Missing);
        }
        let token = rest.trim_ascii_start();
        if token.len() > MAX_TOKEN_BYTES || !is_compact(token) {
            return Err(TokenRejection::Malformed);
        }
        let offset = header.len() - token.len();
        Ok(Self { header, offset })
    }

    fn expose(&self) -> &[u8] {
        &self.header.as_bytes()[self.offset..]
    }

    /// The digest of the whole token. It identifies the token and isn't a secret.
    pub(super) fn hash(&self) -> Sha256 {
        sha256(self.expose())
    }

    /// Reads from the token's header which key can verify it.
    ///
    /// # Errors
    /// The header is malformed, has critical extensions, or names an algorithm that isn't accepted.
    pub(super) fn key_hint(&self) -> Result<KeyHint, TokenRejection> {
        let header = self.expose().split(|byte| *byte == b'.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenRejection::Malformed)?;
        let JoseHeader { alg, kid, crit } =
            serde_json::from_slice(&header).map_err(|_| TokenRejection::Malformed)?;
        let algorithm = match &*alg {
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            _ => return Err(TokenRejection::Algorithm),
        };
        match kid {
            Some(key_id) if !crit => Ok(KeyHint { algorithm, key_id }),
            _ => Err(TokenRejection::Malformed),
        }
    }
}

/// Whether a token has three base64url parts between dots (RFC 7515, section 7.1). The signature
/// can be empty, because the check of the algorithm rejects unsigned tokens.
fn is_compact(token: &[u8]) -> bool {
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, claims, signature) = (parts.next(), parts.next(), parts.next());
    let non_empty =
        |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(base64url));
    non_empty(header)
        && non_empty(claims)
        && signature.is_some_and(|part| part.iter().all(base64url))
        && parts.next().is_none()
}

impl fmt::Display for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer {}, audience {}", self.issuer, self.audience)
    }
}

impl TokenVerifier {
    /// Accepts tokens of this issuer for this audience.
    pub(super) fn new(issuer: String, audience: &str) -> Self {
        let validation = |algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.leeway = CLOCK_LEEWAY_SECONDS;
            validation.validate_nbf = true;
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation
        };
        let (rs256, es256) = (validation(Algorithm::RS256), validation(Algorithm::ES256));
        Self { issuer, audience: audience.to_owned(), rs256, es256 }
    }

    /// Verifies the signature of a token with these keys, and then its claims.
    ///
    /// # Errors
    /// No key matches the signature, or the claims are rejected.
    pub(super) fn verify<'a>(
        &self,
        token: &Bearer,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<VerifiedClaims, TokenRejection> {
        for key in keys {
            // The key decides the algorithm. A token can't choose another one.
            let validation = if key.algorithm == Algorithm::ES256 { &self.es256 } else { &self.rs256 };
            let rejection = match decode::<Claims>(token.expose(), &key.decoding, validation) {
                Ok(token) => return self.claims(token.claims),
                Err(error) => TokenRejection::from_error(error.kind()),
            };
            if rejection != TokenRejection::Signature {
                return Err(rejection);
            }
        }
        Err(TokenRejection::Signature)
    }

    fn claims(&self, claims: Claims) -> Result<VerifiedClaims, TokenRejection> {
        match claims {
            Claims { iss, .. } if iss != self.issuer => Err(TokenRejection::Issuer),
            Claims { sub, .. } if sub.is_empty() => Err(TokenRejection::Malformed),
            Claims { sub, exp, .. } => {
                let expires =
                    exp.as_u64().and_then(|exp| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp)));
                Ok(VerifiedClaims { subject: sub, expires })
            }
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &[u8]) -> Option<Bearer> {
        Bearer::parse(HeaderValue::from_bytes(value).ok()?).ok()
    }

    fn key_hint(header: &str) -> Result<(Algorithm, String), TokenRejection> {
        let token = parse(format!("Bearer {}.e30.", URL_SAFE_NO_PAD.encode(header)).as_bytes()).unwrap();
        token.key_hint().map(|hint| (hint.algorithm, hint.key_id))
    }

    #[test]
    fn a_token_is_hidden_and_removed_from_the_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
        let token = Bearer::take(&mut headers).unwrap();
        assert_eq!((token.expose(), headers.len()), (&b"a.b.c"[..], 0));
        assert_eq!(format!("{token:?}"), "Bearer(redacted)");
        for several in [["Bearer a.b.c", "Bearer a.b.c"], ["Basic x", "Bearer a.b.c"]] {
            for value in several {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(Bearer::take(&mut headers).unwrap_err(), TokenRejection::Malformed);
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn a_token_can_have_8_kib() {
        let token = |length: usize| format!("Bearer {}.b.c", "a".repeat(length - 4));
        assert!(
            parse(token(MAX_TOKEN_BYTES).as_bytes()).is_some()
                && parse(token(MAX_TOKEN_BYTES + 1).as_bytes()).is_none()
        );
    }

    proptest! {
        #[test]
        fn only_tokens_with_the_shape_of_a_jwt_are_read(
            value in "[Bb]earer {0,2}[a-zA-Z0-9_.=-]{0,12}|[a-c.]{0,4}",
        ) {
            let token = value.split_once(' ').map_or("", |(_, token)| token.trim_start());
            let parts: Vec<&str> = token.split('.').collect();
            let non_empty = parts.len() == 3 && !parts[0].is_empty() && !parts[1].is_empty();
            prop_assert_eq!(parse(value.as_bytes()).is_some(), non_empty && !value.contains('='));
        }

        #[test]
        fn no_header_value_panics(
            value in proptest::collection::vec(any::<u8>(), 0..40),
            bearer in any::<bool>(),
        ) {
            let value = if bearer { [b"Bearer ", &value[..]].concat() } else { value };
            let parts = parse(&value).map(|token| token.expose().split(|byte| *byte == b'.').count());
            prop_assert!(parts.is_none_or(|parts| parts == 3));
        }

        #[test]
        fn only_two_algorithms_are_accepted(
            alg in "RS256|ES256|[REHPSnoe]{1,4}(256|384|512)?",
            kid in "\\PC{0,9}",
        ) {
            let header = serde_json::json!({"alg": alg, "kid": kid}).to_string();
            let expected = match alg.as_str() {
                "RS256" => Ok((Algorithm::RS256, kid)),
                "ES256" => Ok((Algorithm::ES256, kid)),
                _ => Err(TokenRejection::Algorithm),
            };
            prop_assert_eq!(key_hint(&header), expected);
        }

        #[test]
        fn no_jose_header_panics(header in "\\PC{0,40}|\\{\"alg\":\"RS256\"[,:\"a-z0-9]{0,20}\\}?") {
            let header = if header.is_empty() { "x".to_owned() } else { header };
            prop_assert!(key_hint(&header).is_err());
        }
    }
}
