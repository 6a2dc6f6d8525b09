//! A request with the parameters of its signature. It computes the signature that a key gives.

use subtle::ConstantTimeEq as _;

use super::authorization::Authorization;
use super::canonical;
use crate::protocol::HttpRequest;

/// A signed request. `path` and `payload_hash` are the parts of the canonical request that S3
/// computes in another way than the other services.
#[derive(Debug)]
pub(crate) struct SignedRequest<'a> {
    pub(crate) request: &'a HttpRequest,
    pub(crate) authorization: &'a Authorization,
    pub(crate) path: &'a str,
    pub(crate) payload_hash: &'a str,
}

impl SignedRequest<'_> {
    /// Whether this secret signed the request.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let scope = self.authorization.credential.scope();
        let expected = canonical::signature(secret, &scope, &self.string_to_sign());
        same(&expected, &self.authorization.signature)
    }

    /// The canonical request, which signer and verifier compute in the same way.
    pub(crate) fn canonical_request(&self) -> String {
        let headers = &self.authorization.signed_headers;
        canonical::request(self.request, self.path, headers, self.payload_hash)
    }

    /// The text that the signature signs.
    pub(crate) fn string_to_sign(&self) -> String {
        let Authorization { date, credential, .. } = self.authorization;
        canonical::string_to_sign(date, &credential.scope(), &self.canonical_request())
    }
}

/// Compares two secrets or signatures in constant time.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
