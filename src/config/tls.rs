//! The flags for TLS on the gRPC port.

use std::path::PathBuf;

use clap::Args;
use codepipeline_gateway::server::{Tls, TlsError, TlsFiles};

use super::flag::flag;

/// TLS on the gRPC port.
#[derive(Args, Clone, Debug)]
pub(crate) struct TlsArgs {
    /// PEM file with the certificate and its chain, reloaded automatically [default: none,
    /// plaintext]
    #[arg(long = "tls-cert", env = "GATEWAY_TLS_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, reloaded automatically
    #[arg(long = "tls-key", env = "GATEWAY_TLS_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// PEM file with CA certificates, reloaded automatically; every client must then present a
    /// certificate
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
                let (set, unset): (Vec<_>, Vec<_>) =
                    self.files().into_iter().partition(|(_, file)| file.is_some());
                let unset: Vec<_> =
                    unset.into_iter().filter(|(name, _)| *name != "--tls-client-ca").collect();
                return Err(format!("{} can't be used without {}", names(&set), names(&unset)));
            }
        };
        let loaded = Tls::load(TlsFiles { cert, key, client_ca: self.client_ca.clone() });
        loaded.map(Some).map_err(|error| format!("{}: {error}", self.flags_of(&error)))
    }

    /// The flags of the files that the error is about.
    fn flags_of(&self, error: &TlsError) -> String {
        let about = |file: &Option<PathBuf>| file.as_ref().is_some_and(|file| error.names(file));
        names(&self.files().into_iter().filter(|(_, file)| about(file)).collect::<Vec<_>>())
    }

    fn files(&self) -> [(&'static str, &Option<PathBuf>); 3] {
        [("--tls-cert", &self.cert), ("--tls-key", &self.key), ("--tls-client-ca", &self.client_ca)]
    }
}

/// The flags with their variables.
fn names(files: &[(&str, &Option<PathBuf>)]) -> String {
    files.iter().map(|(name, _)| flag::<TlsArgs>(name)).collect::<Vec<_>>().join(" and ")
}
