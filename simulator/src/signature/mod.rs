//! Verifies a request's Signature Version 4. The implementation is independent of the AWS SDK, so
//! that it detects errors in the SDK's signer.

mod authorization;
mod canonical;
mod verdict;

use subtle::ConstantTimeEq as _;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use self::authorization::Authorization;
use self::verdict::Rejection;
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
    Checked { access_key_id: Some(authorization.access_key_id), result }
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
    let known = config.keys.iter().find(|key| key.access_key_id == authorization.access_key_id);
    let key = known.ok_or(Rejection::UnknownKey)?;

    let canonical = canonical::request(request, &authorization.signed_headers);
    let to_sign = canonical::string_to_sign(&authorization.date, &authorization.scope(), &canonical);
    let expected = canonical::signature(&key.secret_access_key, &authorization.scope(), &to_sign);
    if !same(&expected, &authorization.signature) {
        return Err(Rejection::Mismatch);
    }

    match (&key.session_token, request.header("x-amz-security-token")) {
        (None, None) => {}
        (Some(known), Some(given)) if same(known, given) => {}
        _ => return Err(Rejection::WrongToken),
    }
    if key.expired { Err(Rejection::TokenExpired) } else { Ok(()) }
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn within_skew(date: &str, now: OffsetDateTime) -> Result<(), Rejection> {
    let Ok(signed) =
        PrimitiveDateTime::parse(date, format_description!("[year][month][day]T[hour][minute][second]Z"))
    else {
        return Err(Rejection::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    let signed = signed.assume_utc();
    let (earliest, latest) = (now - SKEW, now + SKEW);
    if signed < earliest {
        Err(Rejection::Expired { date: date.to_owned(), earliest: basic(earliest), now: basic(now) })
    } else if signed > latest {
        Err(Rejection::NotYetCurrent { date: date.to_owned(), latest: basic(latest), now: basic(now) })
    } else {
        Ok(())
    }
}

/// The time in the basic format of ISO 8601, as in `X-Amz-Date`.
fn basic(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// AWS names every error in a scope in one message.
fn in_scope(authorization: &Authorization, region: Option<&str>) -> Result<(), Rejection> {
    let Authorization { scope_date, scope_region, scope_service, terminator, date, .. } = authorization;
    let day = date.get(..8).unwrap_or(date);
    let complaints = [
        (
            region.is_none_or(|region| region == scope_region),
            format!("Credential should be scoped to a valid region, not '{scope_region}'. "),
        ),
        (scope_service == SERVICE, format!("Credential should be scoped to correct service: '{SERVICE}'. ")),
        (
            terminator == "aws4_request",
            format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            ),
        ),
        (
            scope_date == day,
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scope_date}' != '{day}', from '{date}'. "
            ),
        ),
    ];
    let wrong: String = complaints.into_iter().filter(|(right, _)| !right).map(|(_, text)| text).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Rejection::WrongScope(wrong)) }
}
