//! Certificates of the tests' own, and connections that show them.

use std::fs;
use std::path::Path;

use codepipeline_gateway::server::TlsFiles;
use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair, SanType};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::harness::World;

/// A certificate authority of the test's own.
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

    /// The same with these subject alternative names.
    pub fn issue_names(&self, names: Vec<SanType>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }
}

pub fn files(folder: &Path, client_ca: bool) -> TlsFiles {
    let client_ca = client_ca.then(|| folder.join("ca.crt"));
    TlsFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key"), client_ca }
}

pub fn write_pair(folder: &Path, (cert, key): &(String, String)) {
    fs::write(folder.join("tls.crt"), cert).unwrap();
    fs::write(folder.join("tls.key"), key).unwrap();
}

/// A new connection, trusting this authority and showing this identity.
pub async fn connect(
    world: &World,
    ca: &Authority,
    identity: Option<&(String, String)>,
) -> Result<Channel, String> {
    let mut tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem())).domain_name("gateway.test");
    if let Some((cert, key)) = identity {
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", world.gateway.address)).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await.map_err(|error| format!("{error:?}"))
}
