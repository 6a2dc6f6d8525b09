//! The flags for TLS on the gRPC port.

use std::path::PathBuf;

use clap::Args;
use codepipeline_gateway::server::{Tls, TlsFiles};

use super::flag::flag;

/// TLS on the gRPC port.
#[derive(Args, Clone, Debug)]
pub(crate) struct TlsArgs {
    /// PEM file with the certificate and its chain, followed when it changes [default: none,
    /// plaintext]
    #[arg(long = "tls-cert", env = "GATEWAY_TLS_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's key, followed when it changes
    #[arg(long = "tls-key", env = "GATEWAY_TLS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// PEM bundle of roots; with it every caller must present a certificate
    #[arg(long = "tls-client-ca", env = "GATEWAY_TLS_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// Whether callers must present a certificate.
    pub(crate) fn has_client_ca(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Reads the files, if any are set.
    ///
    /// # Errors
    /// One line that names the flags and variables, and the file.
    pub(crate) fn load(&self) -> Result<Option<Tls>, String> {
        let (cert, key) = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            (None, None) if self.client_ca.is_none() => return Ok(None),
            _ => {
                let [cert, key, ca] = ["--tls-cert", "--tls-key", "--tls-client-ca"].map(flag::<Self>);
                return Err(format!("{cert} and {key} go together, and {ca} needs both"));
            }
        };
        let loaded = Tls::load(TlsFiles { cert, key, client_ca: self.client_ca.clone() });
        let flags = "--tls-cert, --tls-key, --tls-client-ca \
                     (GATEWAY_TLS_CERT, GATEWAY_TLS_KEY, GATEWAY_TLS_CLIENT_CA)";
        loaded.map(Some).map_err(|error| format!("{flags}: {error}"))
    }
}
