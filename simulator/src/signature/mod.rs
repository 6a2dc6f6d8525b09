//! Verifies a request's Signature Version 4. The implementation is independent of the AWS SDK, so
//! that it detects errors in the SDK's signer.

mod authorization;
mod canonical;
mod credential;
mod date;
mod signed_request;
mod verdict;

use time::{Duration, OffsetDateTime};

pub(crate) use self::authorization::{ALGORITHM, Authorization};
pub(crate) use self::canonical::{object_path, payload_hash};
pub(crate) use self::credential::Credential;
use self::date::basic;
pub(crate) use self::date::{extended, parse_basic};
pub(crate) use self::signed_request::{SignedRequest, same};
pub(crate) use self::verdict::Rejection;
pub use self::verdict::SignatureVerdict;
use crate::config::Config;
use crate::protocol::HttpRequest;

/// The service in every scope.
const SERVICE: &str = "codepipeline";

/// The maximum difference between a request's date and the clock.
const SKEW: Duration = Duration::minutes(5);

/// The result of a check.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The access key id in the request, even if the key is unknown.
    pub(crate) access_key_id: Option<String>,
    pub(crate) result: Result<(), Rejection>,
}

impl Checked {
    pub(crate) fn verdict(&self) -> SignatureVerdict {
        self.result.as_ref().map_or_else(Rejection::verdict, |()| SignatureVerdict::Valid)
    }
}

/// Checks a request against the clock, the region, and the known keys.
pub(crate) fn check(request: &HttpRequest, config: &Config, now: OffsetDateTime) -> Checked {
    let authorization = match Authorization::parse(request) {
        Ok(authorization) => authorization,
        Err(rejection) => return Checked { access_key_id: None, result: Err(rejection) },
    };
    let result = verify(request, &authorization, config, now);
    Checked { access_key_id: Some(authorization.credential.access_key_id), result }
}

/// Checks in AWS's order, as far as it is known: date, signed headers, scope, key, signature,
/// session token.
fn verify(
    request: &HttpRequest,
    authorization: &Authorization,
    config: &Config,
    now: OffsetDateTime,
) -> Result<(), Rejection> {
    within_skew(&authorization.date, now)?;
    if !authorization.signed_headers.iter().any(|name| name == "host") {
        return Err(Rejection::HostNotSigned);
    }
    in_scope(authorization, config.region.as_deref())?;
    let known = config.keys.iter().find(|key| key.access_key_id == authorization.credential.access_key_id);
    let key = known.ok_or(Rejection::UnknownKey)?;

    // Every operation of the protocol has the path `/`, which needs no normalization.
    let (path, payload_hash) = (&request.path, &payload_hash(&request.body));
    if !(SignedRequest { request, authorization, path, payload_hash }).is_signed_by(&key.secret_access_key) {
        return Err(Rejection::Mismatch);
    }

    match (&key.session_token, request.header("x-amz-security-token")) {
        (None, None) => {}
        (Some(known), Some(given)) if same(known, given) => {}
        _ => return Err(Rejection::WrongToken),
    }
    if key.expired { Err(Rejection::TokenExpired) } else { Ok(()) }
}

fn within_skew(date: &str, now: OffsetDateTime) -> Result<(), Rejection> {
    let Some(signed) = parse_basic(date) else {
        return Err(Rejection::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    let (earliest, latest) = (now - SKEW, now + SKEW);
    if signed < earliest {
        Err(Rejection::Expired { date: date.to_owned(), earliest: basic(earliest), now: basic(now) })
    } else if signed > latest {
        Err(Rejection::NotYetCurrent { date: date.to_owned(), latest: basic(latest), now: basic(now) })
    } else {
        Ok(())
    }
}

/// AWS names every error in a scope in one message.
fn in_scope(authorization: &Authorization, region: Option<&str>) -> Result<(), Rejection> {
    let Authorization { credential, date, .. } = authorization;
    let Credential { day: scope_day, region: scope_region, service, terminator, .. } = credential;
    let day = date.get(..8).unwrap_or(date);
    let complaints = [
        (
            region.is_none_or(|region| region == scope_region),
            format!("Credential should be scoped to a valid region, not '{scope_region}'. "),
        ),
        (service == SERVICE, format!("Credential should be scoped to correct service: '{SERVICE}'. ")),
        (
            terminator == "aws4_request",
            format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            ),
        ),
        (
            scope_day == day,
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scope_day}' != '{day}', from '{date}'. "
            ),
        ),
    ];
    let wrong: String = complaints.into_iter().filter(|(right, _)| !right).map(|(_, text)| text).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Rejection::WrongScope(wrong)) }
}
