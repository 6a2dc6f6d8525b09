//! The bearer token of a call: read from its headers once, believed only after its signature was verified.

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

/// The longest token that is read, in bytes: half of what all headers of a call may have.
const MAX_TOKEN: usize = 8 * 1024;
/// By how much the issuer's clock and ours may differ, in seconds.
const CLOCK_LEEWAY_SECONDS: u64 = 30;

/// A bearer token that looks like a JWT. A secret: its `Debug` can't show it.
pub(super) struct Bearer {
    header: HeaderValue,
    /// Where in the header it begins.
    begin: usize,
}

/// What a token says of its signature. Not verified: good for choosing a key and for nothing else.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
}

/// Which tokens are accepted.
#[derive(Debug)]
pub(super) struct Expected {
    issuer: String,
    audience: String,
    rs256: Validation,
    es256: Validation,
}

#[derive(Deserialize)]
struct Protected<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: Option<String>,
    /// Extensions that whoever doesn't know them has to refuse (RFC 7515, 4.1.11), and none is known here.
    #[serde(default, deserialize_with = "there")]
    crit: bool,
}

/// Whatever its value is, `null` too.
fn there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

#[derive(Deserialize)]
struct Claims {
    // The library would also take a list of issuers; RFC 7519 has one.
    iss: String,
    sub: String,
    // Whether it has passed is for the library to say, and also what it may look like.
    #[serde(default)]
    exp: serde_json::Value,
}

impl Bearer {
    /// Takes the token out of the headers, so that nothing that comes later can show it.
    ///
    /// # Errors
    /// There isn't exactly one, or it doesn't look like a JWT.
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
        if token.len() > MAX_TOKEN || !is_compact(token) {
            return Err(TokenRejection::Malformed);
        }
        let begin = header.len() - token.len();
        Ok(Self { header, begin })
    }

    fn expose(&self) -> &[u8] {
        &self.header.as_bytes()[self.begin..]
    }

    /// The digest of the whole token, with its signature. It identifies the token and isn't a secret.
    pub(super) fn hash(&self) -> Sha256 {
        sha256(self.expose())
    }

    /// How the token says that it is signed.
    ///
    /// # Errors
    /// By an algorithm that isn't accepted; or its header can't be read, or asks for what isn't known.
    pub(super) fn signed(&self) -> Result<Signed, TokenRejection> {
        let header = self.expose().split(|byte| *byte == b'.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenRejection::Malformed)?;
        let Protected { alg, kid, crit } =
            serde_json::from_slice(&header).map_err(|_| TokenRejection::Malformed)?;
        let algorithm = match &*alg {
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            _ => return Err(TokenRejection::Algorithm),
        };
        match kid {
            Some(key_id) if !crit => Ok(Signed { algorithm, key_id }),
            _ => Err(TokenRejection::Malformed),
        }
    }
}

/// Whether it is three parts of base64url with dots between them (RFC 7515, 7.1). The last is empty if there is no
/// signature, which is for the algorithm's check to say.
fn is_compact(token: &[u8]) -> bool {
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, claims, signature) = (parts.next(), parts.next(), parts.next());
    let filled =
        |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(base64url));
    filled(header)
        && filled(claims)
        && signature.is_some_and(|part| part.iter().all(base64url))
        && parts.next().is_none()
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer {}, audience {}", self.issuer, self.audience)
    }
}

impl Expected {
    /// Tokens of this issuer for this audience.
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

    /// Verifies a token with the keys that it may be signed with: the signature, and only then what it claims.
    ///
    /// # Errors
    /// None of the keys has signed it, or it isn't for this gateway now.
    pub(super) fn verify<'a>(
        &self,
        token: &Bearer,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<VerifiedClaims, TokenRejection> {
        for key in keys {
            // The key decides, whatever the token says: one algorithm each.
            let validation = if key.algorithm == Algorithm::ES256 { &self.es256 } else { &self.rs256 };
            let rejection = match decode::<Claims>(token.expose(), &key.decoding, validation) {
                Ok(token) => return self.claims(token.claims),
                Err(error) => TokenRejection::of(error.kind()),
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

    fn signed(header: &str) -> Result<(Algorithm, String), TokenRejection> {
        let token = parse(format!("Bearer {}.e30.", URL_SAFE_NO_PAD.encode(header)).as_bytes()).unwrap();
        token.signed().map(|signed| (signed.algorithm, signed.key_id))
    }

    #[test]
    fn a_token_shows_nowhere_and_is_gone_from_the_headers() {
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
    fn a_token_may_have_8_kib() {
        let token = |length: usize| format!("Bearer {}.b.c", "a".repeat(length - 4));
        assert!(
            parse(token(MAX_TOKEN).as_bytes()).is_some() && parse(token(MAX_TOKEN + 1).as_bytes()).is_none()
        );
    }

    proptest! {
        #[test]
        fn a_token_is_taken_exactly_if_it_is_one(value in "[Bb]earer {0,2}[a-zA-Z0-9_.=-]{0,12}|[a-c.]{0,4}") {
            let parts: Vec<&str> = value.split_once(' ').map_or("", |(_, rest)| rest.trim_start()).split('.').collect();
            let is_one = parts.len() == 3 && !parts[0].is_empty() && !parts[1].is_empty() && !value.contains('=');
            prop_assert_eq!(parse(value.as_bytes()).is_some(), is_one);
        }

        #[test]
        fn no_header_panics(value in proptest::collection::vec(any::<u8>(), 0..40), bearer in any::<bool>()) {
            let value = if bearer { [b"Bearer ", &value[..]].concat() } else { value };
            prop_assert!(parse(&value).is_none_or(|token| token.expose().split(|byte| *byte == b'.').count() == 3));
        }

        #[test]
        fn only_two_algorithms_are_known(alg in "RS256|ES256|[REHPSnoe]{1,4}(256|384|512)?", kid in "\\PC{0,9}") {
            let header = serde_json::json!({"alg": alg, "kid": kid}).to_string();
            let expected = match alg.as_str() {
                "RS256" => Ok((Algorithm::RS256, kid)),
                "ES256" => Ok((Algorithm::ES256, kid)),
                _ => Err(TokenRejection::Algorithm),
            };
            prop_assert_eq!(signed(&header), expected);
        }

        #[test]
        fn no_protected_header_panics(header in "\\PC{0,40}|\\{\"alg\":\"RS256\"[,:\"a-z0-9]{0,20}\\}?") {
            let header = if header.is_empty() { "x".to_owned() } else { header };
            let refused = signed(&header);
            prop_assert!(refused.is_err());
        }
    }
}
