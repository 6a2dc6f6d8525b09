//! Opens connections to the endpoint of AWS: directly, through a tunnel, or to a forward proxy.

use std::fmt;
use std::io;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use hyper::rt::{Read, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use crate::util::tls::system_roots;

/// An open connection, with TLS if the endpoint has it.
pub(super) type Io = Box<dyn Stream>;

/// Bytes in both directions.
pub(super) trait Stream: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Stream for T {}

type Direct = HttpsConnector<HttpConnector>;

/// The way to the endpoint.
#[derive(Clone)]
enum Route {
    Direct(Direct),
    /// TLS to the endpoint, through a tunnel that the proxy opens (CONNECT).
    Tunnel(HttpsConnector<Tunnel<Direct>>),
    /// The proxy gets the whole URL of a plaintext request.
    Forward(Direct, Uri, Option<HeaderValue>),
}

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(in crate::codepipeline) struct Connector {
    endpoint: Uri,
    host: HeaderValue,
    route: Route,
    timeout: Duration,
}

impl Connector {
    /// A connector to this endpoint, by the proxy variables of the environment (`HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    ///
    /// # Errors
    /// The endpoint isn't a URL with a host.
    pub(in crate::codepipeline) fn new(endpoint: &str, timeout: Duration) -> Result<Self, BoxError> {
        Self::with_proxies(endpoint, timeout, &Matcher::from_env())
    }

    fn with_proxies(endpoint: &str, timeout: Duration, proxies: &Matcher) -> Result<Self, BoxError> {
        let endpoint: Uri = endpoint.parse()?;
        let authority = endpoint.authority().ok_or("the endpoint has no host")?;
        // As the SDK's client, without a port that is the scheme's own.
        let host = match (endpoint.scheme_str(), authority.port_u16()) {
            (Some("https"), Some(443)) | (Some("http"), Some(80)) => authority.host(),
            _ => authority.as_str(),
        };
        let host = HeaderValue::from_str(host)?;
        let proxy = proxies.intercept(&endpoint);
        let uses_tls = |uri: &Uri| uri.scheme_str() == Some("https");
        let roots = if uses_tls(&endpoint) || proxy.as_ref().is_some_and(|proxy| uses_tls(proxy.uri())) {
            system_roots()
        } else {
            RootCertStore::empty()
        };
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let direct = direct(tls.clone());
        let route = match proxy {
            None => Route::Direct(direct),
            Some(proxy) if uses_tls(&endpoint) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), direct);
                let tunnel = match proxy.basic_auth() {
                    Some(authorization) => tunnel.with_auth(authorization.clone()),
                    None => tunnel,
                };
                Route::Tunnel(HttpsConnector::from((tunnel, tls)))
            }
            Some(proxy) => Route::Forward(direct, proxy.uri().clone(), proxy.basic_auth().cloned()),
        };
        Ok(Self { endpoint, host, route, timeout })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Name lookup, connect, proxy, or TLS handshake failed or took too long.
    pub(super) async fn connect(&self) -> Result<Io, BoxError> {
        let endpoint = self.endpoint.clone();
        let connected = async {
            match self.route.clone() {
                Route::Direct(connector) => open(connector, endpoint).await,
                Route::Tunnel(connector) => open(connector, endpoint).await,
                Route::Forward(connector, proxy, _) => open(connector, proxy).await,
            }
        };
        let slow =
            || io::Error::new(io::ErrorKind::TimedOut, format!("not connected within {:?}", self.timeout));
        timeout(self.timeout, connected).await.map_err(|_elapsed| slow())?
    }

    /// Gives a request the form that this route needs: its host, and its path or whole URL.
    pub(super) fn address<B>(&self, request: &mut Request<B>) -> Result<(), BoxError> {
        request.headers_mut().entry(HOST).or_insert_with(|| self.host.clone());
        if let Route::Forward(_, _, authorization) = &self.route {
            if let Some(authorization) = authorization {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            return Ok(());
        }
        let path = request.uri().path_and_query().cloned().ok_or("a request without a path")?;
        *request.uri_mut() = Uri::from(path);
        Ok(())
    }
}

fn direct(tls: ClientConfig) -> Direct {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // A request is one small packet and must not wait for more data.
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp)
}

async fn open<C>(connector: C, uri: Uri) -> Result<Io, BoxError>
where
    C: Service<Uri, Response: Stream + 'static, Error: Into<BoxError>>,
{
    connector.oneshot(uri).await.map(|io| Box::new(io) as Io).map_err(Into::into)
}

impl fmt::Debug for Connector {
    // The proxy's URL can contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
