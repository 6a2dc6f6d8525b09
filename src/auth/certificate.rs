//! Reads the identities in a client certificate.
//!
//! rustls verified the certificate before: its chain, its validity period, and its key usage. It
//! does so in full handshakes only, so the server allows no session resumption (`server::tls`).

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

/// The identities from a client certificate, as the allowlist writes them: `spiffe://…` or `dns:…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identities(Vec<String>);

impl Identities {
    /// The subject alternative names of a leaf certificate, or none if parsing fails. The subject
    /// isn't an identity (RFC 9525).
    pub(crate) fn of_certificate(leaf: &CertificateDer<'_>) -> Self {
        Self(names(leaf).unwrap_or_default())
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

fn names(leaf: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let names = leaf.subject_alternative_name().ok()??;
    let names = &names.value.general_names;
    // A certificate with several URIs is valid for none of them (X.509-SVID, section 2).
    let uris = names.iter().filter(|name| matches!(name, GeneralName::URI(_))).count();
    let identities = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) if uris == 1 && is_spiffe_id(uri) => Some((*uri).to_owned()),
        GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
        _ => None,
    });
    Some(identities.collect())
}

/// Whether a URI is a trust domain with plain path segments (SPIFFE-ID, section 2).
///
/// Prefix rules depend on this check: a segment such as `..` would lead out of the prefix.
fn is_spiffe_id(uri: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    uri.strip_prefix("spiffe://").is_some_and(|rest| rest.split('/').all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_a_trust_domain_and_plain_segments() {
        for valid in ["spiffe://td/ns/a/sa/b", "spiffe://cluster.local/ns/x_1/sa/y-2", "spiffe://td"] {
            assert!(is_spiffe_id(valid), "{valid}");
        }
        for invalid in [
            "https://td/a",
            "spiffe://",
            "spiffe:///a",
            "spiffe://td/",
            "spiffe://td/ns//a",
            "spiffe://td/ns/a/../b",
            "spiffe://td/./a",
            "spiffe://td/a?b",
            "spiffe://td/a#b",
            "spiffe://td/%2e%2e/b",
            "spiffe://me@td/a",
            "spiffe://td:1/a",
            "spiffe://td/a b",
        ] {
            assert!(!is_spiffe_id(invalid), "{invalid}");
        }
    }
}
