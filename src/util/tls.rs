//! The system's root certificates.

use rustls::RootCertStore;

/// The roots that a TLS client trusts by default.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // If certificates are missing, the TLS handshake fails and its error reports that.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
