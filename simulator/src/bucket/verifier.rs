//! Verifies the signature of a request to S3.

use time::{Duration, OffsetDateTime};

use super::error::S3Error;
use super::signature::{Position, Signature, query_error};
use crate::artifact_keys::IssuedKey;
use crate::protocol::HttpRequest;
use crate::signature::{SignedRequest, extended, object_path, parse_basic, payload_hash, same};

/// The maximum difference between the date of a signature and the clock.
const SKEW: Duration = Duration::minutes(15);

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The state against which a signature is verified.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The credentials with the access key id in the signature.
    pub(super) issued: Option<IssuedKey>,
    pub(super) region: Option<String>,
    pub(super) now: OffsetDateTime,
}

impl Verifier {
    /// Checks in this order: date, scope, signed headers, key, signature, session token, payload.
    /// Returns the id of the job that the key is for.
    pub(super) fn verify(&self, request: &HttpRequest, signature: &Signature) -> Result<&str, S3Error> {
        self.in_time(signature)?;
        self.in_scope(signature)?;
        all_signed(request, &signature.authorization.signed_headers)?;
        let payload = declared_payload(signature)?;
        let unknown = || {
            let text = "The AWS Access Key Id you provided does not exist in our records.";
            S3Error::forbidden("InvalidAccessKeyId", text).with("AWSAccessKeyId", signature.access_key_id())
        };
        let issued = self.issued.as_ref().ok_or_else(unknown)?;
        // S3 knows a temporary key only together with its token.
        let token = signature.session_token.as_deref().ok_or_else(unknown)?;

        let (path, authorization) = (&object_path(&request.path), &signature.authorization);
        let signed = SignedRequest { request, authorization, path, payload_hash: payload };
        if !signed.is_signed_by(&issued.key.secret_access_key) {
            return Err(mismatch(&signed));
        }
        check_token(issued, token)?;
        check_payload(request, payload)?;
        Ok(&issued.job_id)
    }

    fn in_scope(&self, signature: &Signature) -> Result<(), S3Error> {
        let credential = &signature.authorization.credential;
        let day = signature.authorization.date.get(..8).unwrap_or_default();
        if let Some(region) = self.region.as_deref().filter(|region| *region != credential.region) {
            let text = format!("the region '{}' is wrong; expecting '{region}'", credential.region);
            return Err(malformed(signature.position, &text).with("Region", region));
        }
        if credential.service != "s3" {
            let service = &credential.service;
            let text = format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".");
            return Err(malformed(signature.position, &text));
        }
        if credential.terminator != "aws4_request" {
            let terminator = &credential.terminator;
            let text = format!("incorrect terminal \"{terminator}\". This endpoint uses \"aws4_request\".");
            return Err(malformed(signature.position, &text));
        }
        if credential.day != day {
            let text = format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{day}\".",
                credential.day
            );
            return Err(malformed(signature.position, &text));
        }
        Ok(())
    }

    fn in_time(&self, signature: &Signature) -> Result<(), S3Error> {
        let Some(signed) = parse_basic(&signature.authorization.date) else {
            return Err(match signature.position {
                Position::Header => {
                    let text = "AWS authentication requires a valid Date or x-amz-date header";
                    S3Error::access_denied(text)
                }
                Position::Query { .. } => {
                    query_error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
                }
            });
        };
        let server_time = extended(self.now);
        match signature.position {
            Position::Header if (signed - self.now).abs() > SKEW => {
                let text = "The difference between the request time and the current time is too large.";
                Err(S3Error::forbidden("RequestTimeTooSkewed", text)
                    .with("RequestTime", &signature.authorization.date)
                    .with("ServerTime", server_time)
                    .with("MaxAllowedSkewMilliseconds", SKEW.whole_milliseconds().to_string()))
            }
            Position::Query { .. } if signed > self.now + SKEW => {
                Err(S3Error::access_denied("Request is not yet valid").with("ServerTime", server_time))
            }
            Position::Query { lifetime } if self.now > signed + lifetime => {
                Err(S3Error::access_denied("Request has expired")
                    .with("X-Amz-Expires", lifetime.whole_seconds().to_string())
                    .with("Expires", extended(signed + lifetime))
                    .with("ServerTime", server_time))
            }
            Position::Header | Position::Query { .. } => Ok(()),
        }
    }
}

/// The error for a scope, whose code and first words depend on the position of the signature.
fn malformed(position: Position, why: &str) -> S3Error {
    match position {
        Position::Header => S3Error::bad_request(
            "AuthorizationHeaderMalformed",
            format!("The authorization header is malformed; {why}"),
        ),
        Position::Query { .. } => query_error(format!("Error parsing the X-Amz-Credential parameter; {why}")),
    }
}

/// `Host` and every `x-amz-*` header must be signed.
fn all_signed(request: &HttpRequest, signed: &[String]) -> Result<(), S3Error> {
    let must = |name: &&str| *name == "host" || name.starts_with("x-amz-");
    let names = request.headers.keys().map(http::HeaderName::as_str).filter(must);
    let unsigned: Vec<_> = names.filter(|name| !signed.iter().any(|signed| signed == name)).collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let text = "There were headers present in the request which were not signed";
    Err(S3Error::access_denied(text).with("HeadersNotSigned", unsigned.join(", ")))
}

fn mismatch(signed: &SignedRequest<'_>) -> S3Error {
    let text = "The request signature we calculated does not match the signature you provided. Check your \
                key and signing method.";
    S3Error::forbidden("SignatureDoesNotMatch", text)
        .with("AWSAccessKeyId", &signed.authorization.credential.access_key_id)
        .with("StringToSign", signed.string_to_sign())
        .with("SignatureProvided", &signed.authorization.signature)
        .with("CanonicalRequest", signed.canonical_request())
}

fn check_token(issued: &IssuedKey, token: &str) -> Result<(), S3Error> {
    if !issued.key.session_token.as_deref().is_some_and(|known| same(known, token)) {
        let text = "The provided token is malformed or otherwise invalid.";
        return Err(S3Error::bad_request("InvalidToken", text).with("Token-0", token));
    }
    if issued.key.expired {
        let text = "The provided token has expired.";
        return Err(S3Error::bad_request("ExpiredToken", text).with("Token-0", token));
    }
    Ok(())
}

/// The payload's hash as the client signed it.
fn declared_payload(signature: &Signature) -> Result<&str, S3Error> {
    match (signature.content_sha256.as_deref(), signature.position) {
        (None, Position::Query { .. }) => Ok(UNSIGNED_PAYLOAD),
        (None, Position::Header) => Err(S3Error::bad_request(
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        )),
        (Some(hash), _) if hash.starts_with("STREAMING-") => {
            Err(S3Error::not_implemented("Header", "x-amz-content-sha256"))
        }
        (Some(hash), _)
            if hash == UNSIGNED_PAYLOAD || hex::decode(hash).is_ok_and(|bytes| bytes.len() == 32) =>
        {
            Ok(hash)
        }
        (Some(hash), _) => Err(S3Error::invalid_argument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.",
            "x-amz-content-sha256",
            hash,
        )),
    }
}

fn check_payload(request: &HttpRequest, declared: &str) -> Result<(), S3Error> {
    if declared == UNSIGNED_PAYLOAD {
        return Ok(());
    }
    let computed = payload_hash(&request.body);
    if declared.eq_ignore_ascii_case(&computed) {
        return Ok(());
    }
    let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    Err(S3Error::bad_request("XAmzContentSHA256Mismatch", text)
        .with("ClientComputedContentSHA256", declared)
        .with("S3ComputedContentSHA256", computed))
}
