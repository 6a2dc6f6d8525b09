//! Reads the signature of a request to S3: the query parameters of a presigned request, or the
//! `Authorization` header.

use http::header::AUTHORIZATION;
use time::Duration;

use super::error::S3Error;
use crate::protocol::HttpRequest;
use crate::signature::{ALGORITHM, Authorization, Credential, Rejection};

/// The longest lifetime of a presigned request: a week in seconds.
const LONGEST_LIFETIME: u32 = 604_800;

/// The parameters that every presigned request has.
const REQUIRED: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", EXPIRES];

const EXPIRES: &str = "X-Amz-Expires";

/// The position of a signature. S3's errors differ between both.
#[derive(Debug, Clone, Copy)]
pub(super) enum Position {
    Header,
    /// The query of a presigned request with this lifetime.
    Query {
        lifetime: Duration,
    },
}

/// A request's signature with the values that only S3 reads from either position.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) authorization: Authorization,
    pub(super) position: Position,
    pub(super) session_token: Option<String>,
    /// `x-amz-content-sha256`.
    pub(super) content_sha256: Option<String>,
}

impl Signature {
    pub(super) fn parse(request: &HttpRequest) -> Result<Self, S3Error> {
        let in_query = REQUIRED.iter().any(|name| request.query_parameter(name).is_some());
        match (in_query, request.headers.contains_key(AUTHORIZATION)) {
            (true, true) => Err(S3Error::bad_request(
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                 string parameter or the Authorization header should be specified",
            )),
            (true, false) => Self::from_query(request),
            (false, true) => Self::from_header(request),
            // The parameter of Signature Version 2.
            (false, false) if request.query_parameter("AWSAccessKeyId").is_some() => Err(unsupported()),
            (false, false) => Err(S3Error::access_denied("Access Denied")),
        }
    }

    pub(super) fn access_key_id(&self) -> &str {
        &self.authorization.credential.access_key_id
    }

    fn from_query(request: &HttpRequest) -> Result<Self, S3Error> {
        let values = REQUIRED.map(|name| request.query_parameter(name).filter(|value| !value.is_empty()));
        let [
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(date),
            Some(signed_headers),
            Some(expires),
        ] = values
        else {
            return Err(query_error(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                 X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            ));
        };
        if algorithm != ALGORITHM {
            let text = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"";
            return Err(query_error(text));
        }
        let credential = Credential::parse(&credential).ok_or_else(|| {
            query_error(
                "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )
        })?;
        Ok(Self {
            authorization: Authorization::new(credential, &signed_headers, &signature, &date),
            position: Position::Query { lifetime: lifetime(&expires)? },
            session_token: request.query_parameter("X-Amz-Security-Token"),
            content_sha256: content_sha256(request)
                .or_else(|| request.query_parameter("X-Amz-Content-Sha256")),
        })
    }

    fn from_header(request: &HttpRequest) -> Result<Self, S3Error> {
        if request.header("authorization").is_some_and(|value| value.starts_with("AWS ")) {
            return Err(unsupported());
        }
        let authorization = Authorization::parse(request).map_err(|rejection| match rejection {
            Rejection::Missing => S3Error::bad_request("InvalidArgument", "Unsupported Authorization Type")
                .with("ArgumentName", "Authorization"),
            other => S3Error::bad_request(
                "AuthorizationHeaderMalformed",
                format!("The authorization header is malformed; {other}"),
            ),
        })?;
        Ok(Self {
            authorization,
            position: Position::Header,
            session_token: request.header("x-amz-security-token").map(str::to_owned),
            content_sha256: content_sha256(request),
        })
    }
}

fn content_sha256(request: &HttpRequest) -> Option<String> {
    request.header("x-amz-content-sha256").map(str::to_owned)
}

fn lifetime(expires: &str) -> Result<Duration, S3Error> {
    let seconds: i64 = expires.parse().map_err(|_| query_error("X-Amz-Expires should be a number"))?;
    if seconds < 0 {
        return Err(query_error("X-Amz-Expires must be non-negative"));
    }
    if seconds > LONGEST_LIFETIME.into() {
        return Err(query_error(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
             less than 604800 seconds",
        ));
    }
    Ok(Duration::seconds(seconds))
}

pub(super) fn query_error(message: impl Into<String>) -> S3Error {
    S3Error::bad_request("AuthorizationQueryParametersError", message)
}

/// Another version of the signature.
fn unsupported() -> S3Error {
    let text = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    S3Error::bad_request("InvalidRequest", text)
}
