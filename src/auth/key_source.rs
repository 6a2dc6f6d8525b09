//! Loads a key set from a file, from a URL, or by the issuer's discovery document.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::https::{Access, HttpsUrl, PANICKED, read_document};
use super::key_set::KeySet;

/// The path of an issuer's discovery document (OpenID Connect Discovery 1.0, section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The source of the verification keys.
#[derive(Clone, Debug)]
pub struct KeySource(Kind);

#[derive(Clone, Debug)]
enum Kind {
    File(PathBuf),
    Url(HttpsUrl, Access),
    Discovery { issuer: String, document: HttpsUrl, access: Access },
}

/// The fields of a discovery document that the gateway uses.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// A file with a key set.
    ///
    /// # Errors
    /// The file has no usable key set now.
    pub fn file(path: PathBuf) -> Result<Self, String> {
        read(&path)?;
        Ok(Self(Kind::File(path)))
    }

    /// An https URL with a key set.
    #[must_use]
    pub fn url(url: HttpsUrl, access: Access) -> Self {
        Self(Kind::Url(url, access))
    }

    /// The key set that the issuer's discovery document names.
    ///
    /// # Errors
    /// The issuer isn't an https URL without a query.
    pub fn discovery(issuer: &str, access: Access) -> Result<Self, &'static str> {
        if issuer.contains('?') {
            return Err("must have no query");
        }
        HttpsUrl::parse(issuer)?;
        let document =
            HttpsUrl::parse(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)))?;
        Ok(Self(Kind::Discovery { issuer: issuer.to_owned(), document, access }))
    }

    /// Whether the source is a file, which can be read often.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.0, Kind::File(_))
    }

    /// Loads the current keys.
    ///
    /// # Errors
    /// The reason why loading failed, in one line for the log.
    pub(super) async fn load(&self) -> Result<KeySet, String> {
        match &self.0 {
            Kind::File(path) => {
                // A network file system can block, and must not block one of the runtime's threads.
                let path = path.clone();
                tokio::task::spawn_blocking(move || read(&path))
                    .await
                    .unwrap_or_else(|_| Err(PANICKED.into()))
            }
            Kind::Url(url, access) => fetch(url, access, url).await,
            Kind::Discovery { issuer, document, access } => {
                let body = access.get(document, document).await?;
                let url = jwks_url(&body, issuer).map_err(|why| format!("{document}: {why}"))?;
                fetch(&url, access, document).await
            }
        }
    }
}

/// The path or URL, for operators.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(path) => path.display().fmt(f),
            Kind::Url(url, _) | Kind::Discovery { document: url, .. } => url.fmt(f),
        }
    }
}

fn read(path: &Path) -> Result<KeySet, String> {
    let document = read_document(path).map_err(|error| error.to_string());
    document.and_then(|document| KeySet::parse(&document)).map_err(|why| format!("{}: {why}", path.display()))
}

async fn fetch(url: &HttpsUrl, access: &Access, configured: &HttpsUrl) -> Result<KeySet, String> {
    KeySet::parse(&access.get(url, configured).await?).map_err(|why| format!("{url}: {why}"))
}

/// The URL of the key set in a discovery document. The document must be the issuer's (section 4.3).
fn jwks_url(document: &[u8], issuer: &str) -> Result<HttpsUrl, String> {
    let document: DiscoveryDocument = serde_json::from_slice(document)
        .map_err(|_| "the document has no issuer or no jwks_uri".to_owned())?;
    if document.issuer != issuer {
        return Err("the document's `issuer` isn't exactly the configured one".into());
    }
    HttpsUrl::parse(&document.jwks_uri).map_err(|why| format!("its jwks_uri {why}"))
}
