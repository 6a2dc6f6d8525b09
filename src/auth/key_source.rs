//! Where the keys come from: a file, a URL, or what the issuer's discovery document names.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::https::{Access, HttpsUrl, PANICKED, read_document};
use super::key_set::KeySet;

/// Where an issuer describes itself (OpenID Connect Discovery 1.0, section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where the keys come from.
#[derive(Clone, Debug)]
pub struct KeySource(Kind);

#[derive(Clone, Debug)]
enum Kind {
    File(PathBuf),
    Url(HttpsUrl, Access),
    Discovery { issuer: String, document: HttpsUrl, access: Access },
}

/// The part of a discovery document that matters.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// A file with a key set.
    ///
    /// # Errors
    /// It can't be used as it is now.
    pub fn file(path: PathBuf) -> Result<Self, String> {
        read(&path)?;
        Ok(Self(Kind::File(path)))
    }

    /// An https URL with a key set.
    #[must_use]
    pub fn url(url: HttpsUrl, access: Access) -> Self {
        Self(Kind::Url(url, access))
    }

    /// The key set that the issuer's own discovery document names.
    ///
    /// # Errors
    /// The issuer is no https URL that could have one.
    pub fn discovery(issuer: &str, access: Access) -> Result<Self, &'static str> {
        if issuer.contains('?') {
            return Err("it has a query in it");
        }
        HttpsUrl::parse(issuer)?;
        let document =
            HttpsUrl::parse(&format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer)))?;
        Ok(Self(Kind::Discovery { issuer: issuer.to_owned(), document, access }))
    }

    /// Whether it is looked at as often as a file is: that costs next to nothing.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.0, Kind::File(_))
    }

    /// The keys as they are there now.
    ///
    /// # Errors
    /// Why there are none, in one line for the log.
    pub(super) async fn load(&self) -> Result<KeySet, String> {
        match &self.0 {
            Kind::File(path) => {
                // Off the runtime's threads: a network file system may hang.
                let path = path.clone();
                tokio::task::spawn_blocking(move || read(&path))
                    .await
                    .unwrap_or_else(|_| Err(PANICKED.into()))
            }
            Kind::Url(url, access) => fetch(url, access, url).await,
            Kind::Discovery { issuer, document, access } => {
                let found = access.get(document, document).await?;
                let found = discovered(&found, issuer).map_err(|why| format!("{document}: {why}"))?;
                fetch(&found, access, document).await
            }
        }
    }
}

/// For an operator.
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
    document.and_then(KeySet::parse).map_err(|why| format!("{}: {why}", path.display()))
}

async fn fetch(url: &HttpsUrl, access: &Access, home: &HttpsUrl) -> Result<KeySet, String> {
    KeySet::parse(access.get(url, home).await?.into()).map_err(|why| format!("{url}: {why}"))
}

/// Where the issuer's keys are. A document of another issuer, however it came there, says nothing of this one
/// (section 4.3).
fn discovered(document: &[u8], issuer: &str) -> Result<HttpsUrl, String> {
    let found: Discovered = serde_json::from_slice(document)
        .map_err(|_| "it is no discovery document with an issuer and a jwks_uri".to_owned())?;
    if found.issuer != issuer {
        return Err("it is another issuer's document: its `issuer` isn't exactly the configured one".into());
    }
    HttpsUrl::parse(&found.jwks_uri).map_err(|why| format!("its jwks_uri can't be used: {why}"))
}
