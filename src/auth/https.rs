//! Fetches a small document with one HTTPS GET.
//!
//! Size and time are limited. Redirects and proxies aren't supported. A bearer token is sent only
//! to the configured origin.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::util::error_chain::chain;
use crate::util::pem;
use crate::util::tls::system_roots;

/// The maximum size of a document, in bytes. Key sets have a few KiB.
const MAX_DOCUMENT: usize = 256 * 1024;
/// The maximum time for one GET, from the name lookup to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of bytes that are read from a token file.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// The error for a panic. The panic's own message could contain a part of a file.
pub(super) const PANICKED: &str = "reading the files panicked";

/// An https URL with a host, and without a user name, password, or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl(Uri);

/// Files for fetching keys. Each fetch reads them again, because a cluster rotates both.
#[derive(Clone, Debug, Default)]
pub struct Access {
    ca: Option<PathBuf>,
    token: Option<PathBuf>,
}

/// The reason why a file can't be used. The message names the file and contains no part of it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The CA bundle can't be used.
    #[error("{0}: {1}")]
    Ca(PathBuf, String),
    /// The token file can't be used.
    #[error("{0}: {1}")]
    Token(PathBuf, String),
}

impl HttpsUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// What the URL must be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = crate::util::url::parse(text)?;
        if uri.scheme_str() != Some("https") {
            return Err("must be an https URL");
        }
        if text.contains('#') {
            return Err("must have no fragment");
        }
        Ok(Self(uri))
    }

    /// Whether both URLs have the same host and port.
    fn has_same_origin(&self, other: &Self) -> bool {
        let port = |url: &Self| url.0.port_u16().unwrap_or(443);
        let host = |url: &Self| url.0.host().map(str::to_ascii_lowercase);
        port(self) == port(other) && host(self) == host(other)
    }
}

/// The URL without its query, which might contain a secret.
impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        write!(f, "https://{authority}{}", self.0.path())
    }
}

impl Access {
    /// Checks the files: a CA bundle in PEM form that replaces the system's, and a bearer token.
    ///
    /// # Errors
    /// One of the files can't be used now.
    pub fn new(ca: Option<PathBuf>, token: Option<PathBuf>) -> Result<Self, AccessError> {
        let access = Self { ca, token };
        access.tls()?;
        access.authorization()?;
        Ok(access)
    }

    /// Whether a file is configured.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.ca.is_some() || self.token.is_some()
    }

    fn tls(&self) -> Result<ClientConfig, AccessError> {
        let roots = match &self.ca {
            Some(path) => read_ca(path).map_err(|why| AccessError::Ca(path.clone(), why))?,
            None => system_roots(),
        };
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, AccessError> {
        let read = |path: &PathBuf| read_token(path).map_err(|why| AccessError::Token(path.clone(), why));
        self.token.as_ref().map(read).transpose()
    }

    /// Fetches a document. The token is sent only to the origin of the configured URL, so that a
    /// discovery document can't send it to another server.
    ///
    /// # Errors
    /// The reason why the fetch failed, in one line for the log.
    pub(super) async fn get(&self, url: &HttpsUrl, configured: &HttpsUrl) -> Result<Bytes, String> {
        let (access, with_token) = (self.clone(), url.has_same_origin(configured));
        // A network file system can block, and must not block one of the runtime's threads.
        let read = tokio::task::spawn_blocking(move || {
            let authorization = if with_token { access.authorization()? } else { None };
            Ok::<_, AccessError>((access.tls()?, authorization))
        });
        let fetched = async {
            let read = read.await.map_err(|_| PANICKED)?;
            let (tls, authorization) = read.map_err(|error| error.to_string())?;
            send(&url.0, tls, authorization).await
        };
        let fetched = timeout(TIMEOUT, fetched).await;
        let fetched = fetched.unwrap_or_else(|_elapsed| Err(format!("no response within {TIMEOUT:?}")));
        fetched.map_err(|why| format!("{url}: {why}"))
    }
}

/// Sends one request with a client of its own. Requests are minutes apart, and CA certificates can
/// change, so a connection isn't reused.
async fn send(url: &Uri, tls: ClientConfig, authorization: Option<HeaderValue>) -> Result<Bytes, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    // A Kubernetes API server rejects requests that accept only "application/json" with status 406.
    let mut request = Request::get(url.clone())
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, concat!("codepipeline-gateway/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    let response = client.request(request).await.map_err(|error| chain(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("HTTP status {}", response.status().as_u16()));
    }
    let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| chain(&*error))
}

fn read_ca(path: &Path) -> Result<RootCertStore, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let found = pem::certificates(&text).ok_or("the file has no PEM certificate")?;
    pem::roots(found).map_err(|error| error.to_string())
}

fn read_token(path: &Path) -> Result<HeaderValue, String> {
    let mut text = Zeroizing::new(String::new());
    let read = fs::File::open(path).and_then(|file| file.take(MAX_TOKEN_FILE).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err("the file has no bearer token".into());
    }
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&bearer).map_err(|_| "the file has no bearer token".to_owned())?;
    // Hides the value in `Debug`.
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a file of at most the size of a document.
///
/// # Errors
/// The file is larger, or reading failed.
pub(super) fn read_document(path: &Path) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    fs::File::open(path)?.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut document)?;
    if document.len() > MAX_DOCUMENT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 256 KiB"));
    }
    Ok(document)
}
