//! The stand-in HTTP server: every server that a test needs is a handler of this one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;

use super::http::loopback;

/// A server on loopback for HTTP/1.1 and HTTP/2. It ends with the test.
pub struct HttpServer {
    pub address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl HttpServer {
    /// Starts a server whose handler responds to each request.
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::on(loopback().await, None, handler)
    }

    /// Starts a server that gives every request the same response.
    pub async fn fixed(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::start(move |_| {
            let mut response = respond(status, body.clone());
            response.headers_mut().insert("content-type", content_type.parse().unwrap());
            std::future::ready(response)
        })
        .await
    }

    /// Starts a server on this listener, perhaps with TLS.
    pub fn on<H, F>(listener: TcpListener, tls: Option<TlsAcceptor>, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, handler) = (tls.clone(), handler.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(socket, handler).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, handler).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, _serving: AbortOnDropHandle::new(serving) }
    }
}

/// Serves one connection. The client notices an error on it.
async fn serve<H, F>(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: H)
where
    H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else { return Ok(Response::default()) };
            Ok::<_, Infallible>(handler(Request::from_parts(head, body.to_bytes())).await)
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

/// A response with a body.
pub fn respond(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(body.into())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// TLS with a certificate and its key, in PEM form.
pub fn acceptor((cert, key): &(String, String), alpn: &[&[u8]]) -> TlsAcceptor {
    let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key);
    let mut config = config.unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}
