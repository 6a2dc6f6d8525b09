//! TLS with certificates from PEM files. Changed files are reloaded automatically; if they are
//! unusable, the certificate in use stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use crate::telemetry::Metrics;
use crate::util::file_watch::FileWatch;
use crate::util::pem;
use crate::util::rfc3339::rfc3339_of;

/// The PEM files of the server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and its chain, leaf first.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// CA certificates for client certificates. If set, every client must present one.
    pub client_ca: Option<PathBuf>,
}

/// The reason why the files are unusable. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read.
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    /// The file doesn't contain the expected kind of PEM block.
    #[error("{0}: the file has no PEM {1}")]
    Empty(PathBuf, &'static str),
    /// The certificate and the key don't match, or one of them is unusable.
    #[error("{0} and {1}: {why}", why = pair_error(.2))]
    Pair(PathBuf, PathBuf, rustls::Error),
    /// The CA certificates are unusable.
    #[error("{0}: {1}")]
    ClientCa(PathBuf, String),
}

impl TlsError {
    /// Whether the error is about this file.
    #[must_use]
    pub fn names(&self, file: &Path) -> bool {
        match self {
            Self::Read(path, _) | Self::Empty(path, _) | Self::ClientCa(path, _) => path == file,
            Self::Pair(cert, key, _) => cert == file || key == file,
        }
    }
}

/// The server's TLS, with the files that were loaded last.
#[derive(Clone, Debug)]
pub struct Tls {
    files: TlsFiles,
    /// Holds the value for all clones. Nothing subscribes to it.
    current: watch::Sender<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// When the leaf expires, in seconds since the epoch.
    not_after: i64,
}

impl Tls {
    /// Loads the files.
    ///
    /// # Errors
    /// A file can't be read or used.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = files.load()?;
        Ok(Self { files, current: watch::Sender::new(loaded) })
    }

    /// Describes the certificate in use in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let TlsFiles { cert, client_ca, .. } = &self.files;
        let clients = client_ca.as_ref().map(|ca| format!(", callers' certificates of {}", ca.display()));
        let until = rfc3339_of(self.current.borrow().not_after);
        format!("{} until {until}{}", cert.display(), clients.unwrap_or_default())
    }

    /// Accepts handshakes with the certificate in use.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.borrow().config.clone())
    }

    /// Reloads the files when they change, until the caller drops this future.
    pub(super) async fn follow(&self, metrics: &Metrics) {
        metrics.certificate_expires(self.current.borrow().not_after);
        let mut watch = FileWatch::new(self.files.paths()).await;
        loop {
            // Before the first change too: the files can have changed since the start.
            if !self.reload(metrics).await {
                // The contents were read for the watch, so it would not report them again.
                watch.report_again();
            }
            watch.changed().await;
        }
    }

    /// Returns whether the files could be read.
    async fn reload(&self, metrics: &Metrics) -> bool {
        let files = self.files.clone();
        // A network file system can hang, and must not block one of the runtime's threads.
        let Ok(loaded) = spawn_blocking(move || files.load()).await else { return false };
        match loaded {
            // A missing file is probably about to be replaced.
            Err(error @ TlsError::Read(..)) => {
                tracing::warn!(%error, "can't read the TLS files; the previous files stay in use");
                false
            }
            loaded => {
                self.replace(loaded, metrics);
                true
            }
        }
    }

    fn replace(&self, loaded: Result<Loaded, TlsError>, metrics: &Metrics) {
        metrics.certificate_loaded(loaded.is_ok());
        match loaded {
            Ok(loaded) => {
                metrics.certificate_expires(loaded.not_after);
                tracing::info!(not_after = rfc3339_of(loaded.not_after), "loaded the TLS certificate");
                self.current.send_replace(loaded);
            }
            Err(error) => {
                tracing::error!(%error, "the new TLS files are unusable; the previous files stay in use");
            }
        }
    }
}

impl TlsFiles {
    fn paths(&self) -> Vec<PathBuf> {
        [&self.cert, &self.key].into_iter().chain(&self.client_ca).cloned().collect()
    }

    fn load(&self) -> Result<Loaded, TlsError> {
        let read = |path: &PathBuf| fs::read(path).map_err(|error| TlsError::Read(path.clone(), error));
        let client_ca = self.client_ca.as_ref().map(|path| Ok((path, read(path)?))).transpose()?;
        let (cert, key) = (read(&self.cert)?, read(&self.key)?);
        let chain = certificates(&self.cert, &cert)?;
        let no_key = || TlsError::Empty(self.key.clone(), "private key");
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| no_key())?;
        let not_after =
            not_after(&chain[0]).ok_or_else(|| TlsError::Empty(self.cert.clone(), "certificate"))?;
        let builder = ServerConfig::builder();
        let builder = match &client_ca {
            Some((path, pem)) => builder.with_client_cert_verifier(client_verifier(path, pem)?),
            None => builder.with_no_client_auth(),
        };
        let pair = |error| TlsError::Pair(self.cert.clone(), self.key.clone(), error);
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        if self.client_ca.is_some() {
            // No session resumption: rustls doesn't check a client certificate's expiry again when
            // a session resumes.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        // HTTP/1 is offered only to reject it with a text.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Loaded { config: Arc::new(config), not_after })
    }
}

fn pair_error(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the private key doesn't belong to the certificate".into(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::CertifiedKey;
    use tempfile::TempDir;
    use tokio::time::{sleep, timeout};

    use super::*;

    const OK: &str = r#"codepipeline_gateway_tls_certificate_loads_total{result="ok"}"#;
    const ERROR: &str = r#"codepipeline_gateway_tls_certificate_loads_total{result="error"}"#;

    /// Writes a new certificate and its key.
    fn write_pair(files: &TlsFiles) {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        fs::write(&files.cert, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    }

    async fn until_counted(metrics: &Metrics, series: &str, count: u64) {
        let line = format!("{series} {count}\n");
        let counted = async {
            while !metrics.encode(false).unwrap().contains(&line) {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let counted = timeout(Duration::from_secs(600), counted).await;
        counted.unwrap_or_else(|_| panic!("no {line} in {}", metrics.encode(false).unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_usable_new_pair_replaces_the_one_in_use() {
        let folder = TempDir::new().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let files = TlsFiles { cert, key, client_ca: None };
        write_pair(&files);
        let (tls, metrics) = (Tls::load(files.clone()).unwrap(), Metrics::new());
        let changes = async {
            // From now on between two polls, so that no poll sees a half-written pair.
            sleep(Duration::from_millis(500)).await;
            until_counted(&metrics, OK, 1).await;
            let in_use = tls.current.borrow().config.clone();
            let is_in_use = || Arc::ptr_eq(&in_use, &tls.current.borrow().config);

            fs::remove_file(&files.key).unwrap();
            sleep(Duration::from_secs(60)).await;
            assert!(is_in_use(), "a missing file changes nothing");

            fs::write(&files.key, "no key").unwrap();
            until_counted(&metrics, ERROR, 1).await;
            sleep(Duration::from_secs(60)).await;
            assert!(is_in_use(), "an unusable pair changes nothing");

            write_pair(&files);
            until_counted(&metrics, OK, 2).await;
            assert!(!is_in_use());
            // Neither the missing file nor a later poll of the unusable one has counted.
            until_counted(&metrics, ERROR, 1).await;
        };
        tokio::select! {
            () = tls.follow(&metrics) => unreachable!("it has no end"),
            () = changes => {}
        }
    }
}
