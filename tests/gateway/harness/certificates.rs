//! A certificate authority for tests, and connections that present its certificates.

use std::fs;
use std::path::Path;

use codepipeline_gateway::server::TlsFiles;
use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair, SanType};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use super::{PATIENCE, World, tls_endpoint, within};

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a host and its key, in PEM form.
    pub fn issue(&self, host: &str) -> (String, String) {
        self.issue_names(vec![SanType::DnsName(host.try_into().unwrap())])
    }

    /// A certificate with these subject alternative names, and its key.
    pub fn issue_names(&self, names: Vec<SanType>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// The paths of the TLS files in a folder.
pub fn tls_files(folder: &Path, client_ca: bool) -> TlsFiles {
    let client_ca = client_ca.then(|| folder.join("ca.crt"));
    TlsFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key"), client_ca }
}

/// Writes the TLS files of a gateway whose callers need a certificate of this authority.
pub fn mutual_tls_files(ca: &Authority, folder: &Path) -> TlsFiles {
    write_pair(folder, &ca.issue("gateway.test"));
    fs::write(folder.join("ca.crt"), ca.pem()).unwrap();
    tls_files(folder, true)
}

pub fn write_pair(folder: &Path, (cert, key): &(String, String)) {
    fs::write(folder.join("tls.crt"), cert).unwrap();
    fs::write(folder.join("tls.key"), key).unwrap();
}

/// The client's side of TLS, which trusts this authority.
pub fn client_tls(ca_pem: &str) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)).domain_name("gateway.test")
}

/// Opens a connection that trusts this authority and presents this identity.
pub async fn connect_tls(
    world: &World,
    ca: &Authority,
    identity: Option<&(String, String)>,
) -> Result<Channel, String> {
    let mut tls = client_tls(&ca.pem());
    if let Some((cert, key)) = identity {
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let endpoint = tls_endpoint(world.gateway.address, tls);
    within("a TLS connection", PATIENCE, endpoint.connect()).await.map_err(|error| format!("{error:?}"))
}
