//! The names in a client certificate. rustls has checked the certificate itself by then: its chain, its dates, its use.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

/// The names that a caller has shown, written as the list writes them: `spiffe://…` and `dns:…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identities(Vec<String>);

impl Identities {
    /// The subject alternative names of a leaf; none, if it can't be read. The subject itself isn't a name (RFC 9525).
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
    let written = names.value.general_names.iter().filter_map(|name| match name {
        // Other URIs are no workload's name.
        GeneralName::URI(uri) if uri.starts_with("spiffe://") => Some((*uri).to_owned()),
        GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
        _ => None,
    });
    Some(written.collect())
}
