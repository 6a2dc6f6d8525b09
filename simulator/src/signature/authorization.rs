//! Parses the `Authorization` header: `AWS4-HMAC-SHA256
//! Credential=KEY/DAY/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=HEX`.

use std::collections::HashMap;

use super::credential::Credential;
use super::verdict::Rejection;
use crate::protocol::HttpRequest;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parameters of a request's signature.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) credential: Credential,
    /// In lower case, in the order of the request.
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
    /// The date of the signature, unparsed.
    pub(crate) date: String,
}

impl Authorization {
    /// Reads the `Authorization` header. The date is in the `X-Amz-Date` or the `Date` header.
    pub(crate) fn parse(request: &HttpRequest) -> Result<Self, Rejection> {
        let header = request.header("authorization").unwrap_or_default().trim();
        if !header.starts_with("AWS4-") {
            return Err(Rejection::Missing);
        }
        let (algorithm, parameters) = header.split_once(' ').unwrap_or((header, ""));
        let parameters = parse_parameters(parameters)?;
        let parameter = |name: &str| parameters.get(name).copied().filter(|value| !value.is_empty());
        let date = request.header("x-amz-date").or_else(|| request.header("date"));
        let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
            (parameter("Credential"), parameter("Signature"), parameter("SignedHeaders"), date)
        else {
            return Err(missing(|name| parameter(name).is_some(), date.is_some()));
        };
        if algorithm != ALGORITHM {
            return Err(Rejection::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        }
        let credential = Credential::parse(credential).ok_or_else(|| {
            Rejection::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, \
                 e.g. keyid/date/region/service/term, got '{credential}'"
            ))
        })?;
        Ok(Self::new(credential, signed_headers, signature, date))
    }

    /// The parameters with the names of the headers as a list with semicolons.
    pub(crate) fn new(credential: Credential, signed_headers: &str, signature: &str, date: &str) -> Self {
        Self {
            credential,
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature: signature.to_owned(),
            date: date.to_owned(),
        }
    }
}

/// Splits the parameters. AWS's message quotes the whole header or its hash. The simulator omits
/// both.
fn parse_parameters(text: &str) -> Result<HashMap<&str, &str>, Rejection> {
    let parameters = text.split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
    parameters
        .map(|parameter| {
            parameter.split_once('=').ok_or_else(|| {
                let text = "not a valid key=value pair (missing equal-sign) in Authorization header.";
                Rejection::Incomplete(format!("'{parameter}' {text}"))
            })
        })
        .collect()
}

/// Names everything that is missing in one message.
fn missing(has: impl Fn(&str) -> bool, has_date: bool) -> Rejection {
    let parameters = ["Credential", "Signature", "SignedHeaders"]
        .into_iter()
        .filter(|name| !has(name))
        .map(|name| format!("Authorization header requires '{name}' parameter."));
    let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
    let sentences: Vec<_> = parameters.chain((!has_date).then(|| date.to_owned())).collect();
    Rejection::Incomplete(sentences.join(" "))
}
