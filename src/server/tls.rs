//! TLS: certificates from PEM files, followed as they change. A bad new pair is refused and the old one keeps serving.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::telemetry::Metrics;
use crate::util::pem;
use crate::util::rfc3339::rfc3339_of;

/// How often the files are looked at. A Kubernetes Secret changes by a swap of symlinks, and the kubelet itself takes a
/// minute to bring one: looking costs next to nothing, and no file system needs to be able to tell of changes.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The PEM files of the server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and whatever chain goes with it, leaf first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Roots of client certificates; with it every caller must present one.
    pub client_ca: Option<PathBuf>,
}

/// Why the files can't be used. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    /// It holds nothing of what it should.
    #[error("{0}: no {1} in PEM form in it")]
    Empty(PathBuf, &'static str),
    /// Certificate and key don't belong together, or one of them can't be used.
    #[error("{0} and {1}: {why}", why = of_pair(.2))]
    Pair(PathBuf, PathBuf, rustls::Error),
    /// The roots of client certificates can't be used.
    #[error("{0}: {1}")]
    ClientCa(PathBuf, String),
}

/// The server's TLS, as the files are now.
#[derive(Clone, Debug)]
pub struct Tls {
    files: TlsFiles,
    current: watch::Sender<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// When the leaf expires, in seconds since the epoch.
    not_after: i64,
}

/// The bytes of the files, to tell whether they changed.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them can't be read or used.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = files.parse(&files.read()?)?;
        Ok(Self { files, current: watch::Sender::new(loaded) })
    }

    /// What is in use, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let TlsFiles { cert, client_ca, .. } = &self.files;
        let callers = client_ca.as_ref().map(|ca| format!(", callers' certificates of {}", ca.display()));
        let until = rfc3339_of(self.current.borrow().not_after);
        format!("{} until {until}{}", cert.display(), callers.unwrap_or_default())
    }

    /// Takes handshakes with the certificate of now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.borrow().config.clone())
    }

    /// Follows the files. Runs until its owner drops it.
    pub(super) async fn follow(&self, metrics: &Metrics) {
        metrics.certificate_expires(self.current.borrow().not_after);
        let mut seen = None;
        loop {
            // Read off the runtime's threads: a network file system may hang.
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || files.read()).await;
            if let Ok(read) = read
                && let Some(contents) = changed(read, &mut seen)
            {
                self.take(self.files.parse(&contents), metrics);
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn take(&self, loaded: Result<Loaded, TlsError>, metrics: &Metrics) {
        metrics.certificate_loaded(loaded.is_ok());
        match loaded {
            Ok(loaded) => {
                metrics.certificate_expires(loaded.not_after);
                tracing::info!(not_after = rfc3339_of(loaded.not_after), "using the TLS certificate");
                self.current.send_replace(loaded);
            }
            Err(error) => {
                tracing::error!(%error, "the new TLS files can't be used; the old ones keep serving");
            }
        }
    }
}

/// The contents, if they are others than those seen last. A file that is gone for a moment is a swap under way.
fn changed(read: Result<Contents, TlsError>, seen: &mut Option<Contents>) -> Option<Contents> {
    match read {
        Ok(contents) if seen.as_ref() == Some(&contents) => None,
        Ok(contents) => {
            *seen = Some(contents.clone());
            Some(contents)
        }
        Err(error) => {
            tracing::warn!(%error, "can't read the TLS files; the old ones keep serving");
            None
        }
    }
}

impl TlsFiles {
    fn read(&self) -> Result<Contents, TlsError> {
        let read = |path: &PathBuf| fs::read(path).map_err(|error| TlsError::Read(path.clone(), error));
        let client_ca = self.client_ca.as_ref().map(read).transpose()?;
        Ok(Contents { cert: read(&self.cert)?, key: read(&self.key)?, client_ca })
    }

    fn parse(&self, contents: &Contents) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.cert, &contents.cert)?;
        let no_key = || TlsError::Empty(self.key.clone(), "private key");
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| no_key())?;
        let not_after =
            not_after(&chain[0]).ok_or_else(|| TlsError::Empty(self.cert.clone(), "certificate"))?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                ServerConfig::builder().with_client_cert_verifier(client_verifier(path, pem)?)
            }
            _ => ServerConfig::builder().with_no_client_auth(),
        };
        let pair = |error| TlsError::Pair(self.cert.clone(), self.key.clone(), error);
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        if self.client_ca.is_some() {
            // A resumed session would be its certificate's heir without end: rustls looks at no date then.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        // HTTP/1 is offered only to be told that this is a gRPC port.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Loaded { config: Arc::new(config), not_after })
    }
}

fn of_pair(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the key isn't the certificate's".into(),
        other => other.to_string(),
    }
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(text).ok_or_else(|| TlsError::Empty(path.to_owned(), "certificate"))
}

fn client_verifier(
    path: &Path,
    text: &[u8],
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let bad = |error: &dyn std::fmt::Display| TlsError::ClientCa(path.to_owned(), error.to_string());
    let roots = pem::roots(certificates(path, text)?).map_err(|error| bad(&error))?;
    WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|error| bad(&error))
}

fn not_after(leaf: &CertificateDer<'_>) -> Option<i64> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Some(leaf.validity().not_after.timestamp())
}
