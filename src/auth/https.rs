//! One HTTPS GET of a small document: so many bytes in so much time, no redirects, no proxy, and a bearer token for the
//! origin that it is meant for and no other.

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

/// The largest document that is read, in bytes. Key sets have a few KiB.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;
/// How long one GET may take, from the name lookup to the last byte.
const TIME: Duration = Duration::from_secs(10);
/// A token file is one token.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// Said in place of a panic's text, which may hold anything.
pub(super) const PANICKED: &str = "reading the files panicked";

/// An https URL: with a host, without a user name, password or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl(Uri);

/// Files that fetching takes, read anew for each fetch: a cluster renews both.
#[derive(Clone, Debug, Default)]
pub struct Access {
    ca: Option<PathBuf>,
    token: Option<PathBuf>,
}

/// Why such a file can't be used. The text names the file, and never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The roots.
    #[error("{0}: {1}")]
    Ca(PathBuf, String),
    /// The token.
    #[error("{0}: {1}")]
    Token(PathBuf, String),
}

impl HttpsUrl {
    /// Takes a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = crate::util::url::parse(text)?;
        if uri.scheme_str() != Some("https") {
            return Err("it is not an https URL");
        }
        if text.contains('#') {
            return Err("it has a fragment in it");
        }
        Ok(Self(uri))
    }

    /// Whether the other has the same host and port.
    fn has_origin_of(&self, other: &Self) -> bool {
        let port = |url: &Self| url.0.port_u16().unwrap_or(443);
        let host = |url: &Self| url.0.host().map(str::to_ascii_lowercase);
        port(self) == port(other) && host(self) == host(other)
    }
}

/// Without the query, which may hold what isn't for a log.
impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        write!(f, "https://{authority}{}", self.0.path())
    }
}

impl Access {
    /// Takes the files: roots in PEM form, instead of the system's; and a bearer token to show.
    ///
    /// # Errors
    /// One of them can't be used as it is now.
    pub fn new(ca: Option<PathBuf>, token: Option<PathBuf>) -> Result<Self, AccessError> {
        let access = Self { ca, token };
        access.tls()?;
        access.authorization()?;
        Ok(access)
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.ca.is_some() || self.token.is_some()
    }

    fn tls(&self) -> Result<ClientConfig, AccessError> {
        let roots = match &self.ca {
            Some(path) => roots_of(path).map_err(|why| AccessError::Ca(path.clone(), why))?,
            None => system_roots(),
        };
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, AccessError> {
        let read = |path: &PathBuf| token_of(path).map_err(|why| AccessError::Token(path.clone(), why));
        self.token.as_ref().map(read).transpose()
    }

    /// The document there. The token is sent only if that is at the origin of `home`, what an operator has configured:
    /// a document must not be able to send it elsewhere.
    ///
    /// # Errors
    /// Why there is none, in one line for the log.
    pub(super) async fn get(&self, url: &HttpsUrl, home: &HttpsUrl) -> Result<Bytes, String> {
        let (access, with_token) = (self.clone(), url.has_origin_of(home));
        // Off the runtime's threads: a network file system may hang.
        let read = tokio::task::spawn_blocking(move || {
            let authorization = if with_token { access.authorization()? } else { None };
            Ok::<_, AccessError>((access.tls()?, authorization))
        });
        let fetched = async {
            let read = read.await.map_err(|_| PANICKED)?;
            let (tls, authorization) = read.map_err(|error| error.to_string())?;
            get(&url.0, tls, authorization).await
        };
        let fetched = timeout(TIME, fetched).await;
        let fetched = fetched.unwrap_or_else(|_elapsed| Err(format!("no answer within {TIME:?}")));
        fetched.map_err(|why| format!("{url}: {why}"))
    }
}

/// A client for one request: with one in five minutes nothing is gained by keeping a connection, and roots may change.
async fn get(url: &Uri, tls: ClientConfig, authorization: Option<HeaderValue>) -> Result<Bytes, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    // A Kubernetes API server answers 406 to who asks for "application/json" only.
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
        return Err(format!("it answered {}", response.status().as_u16()));
    }
    let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| chain(&*error))
}

fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let found = pem::certificates(&text).ok_or("no certificate in PEM form in it")?;
    pem::roots(found).map_err(|error| error.to_string())
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One that can't be read, or none at all, shows when a server's certificate isn't trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn token_of(path: &Path) -> Result<HeaderValue, String> {
    let mut text = Zeroizing::new(String::new());
    let read = fs::File::open(path).and_then(|file| file.take(MAX_TOKEN_FILE).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err("no bearer token in it".into());
    }
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&bearer).map_err(|_| "no bearer token in it".to_owned())?;
    // Its `Debug` shows nothing then.
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a file up to the size of a document.
///
/// # Errors
/// It can't be read, or is larger.
pub(super) fn read_document(path: &Path) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    fs::File::open(path)?.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut document)?;
    if document.len() > MAX_DOCUMENT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 256 KiB"));
    }
    Ok(document)
}
