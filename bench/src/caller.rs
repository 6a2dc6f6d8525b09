//! A light gRPC and HTTP client, which leaves the CPU to the measured server.

use std::fs::File;
use std::future::poll_fn;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::load::Call;
use crate::payload::{self, Operation};

/// The servers to call, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// Servers; connections go to each in turn.
    #[arg(long, required = true, value_delimiter = ',')]
    pub target: Vec<SocketAddr>,
    /// Connections that the callers share.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// Call a signing HTTP/1.1 proxy instead of a gRPC server.
    #[arg(long)]
    pub http: bool,
    /// Time that callers give a call.
    #[arg(long, default_value_t = 10)]
    pub deadline_seconds: u32,
    /// Folder with `ca.pem`: call over TLS.
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// With TLS: present `client.pem` of that folder.
    #[arg(long, requires = "tls")]
    pub certificate: bool,
    /// The operation to call.
    #[arg(long, value_enum, default_value_t = Operation::Acknowledge)]
    pub operation: Operation,
    /// Bytes of a response that the server can send before this client has read them.
    #[arg(long)]
    pub window: Option<u32>,
    /// File with a bearer token to send.
    #[arg(long)]
    pub token: Option<PathBuf>,
}

/// Connections to the target, ready to call.
pub enum Caller {
    /// gRPC over HTTP/2.
    Grpc { connections: Vec<SendRequest<Full<Bytes>>>, request: Arc<Template> },
    /// Plain HTTP/1.1, a pool of connections.
    Http { client: Client<HttpConnector, Full<Bytes>>, targets: Vec<Uri> },
}

/// The parts of every gRPC request.
pub struct Template {
    uri: Uri,
    timeout: HeaderValue,
    authorization: Option<HeaderValue>,
    body: Bytes,
}

impl Target {
    /// Connects.
    ///
    /// # Errors
    /// What went wrong, in a line.
    pub async fn connect(&self) -> Result<Caller, String> {
        if self.http {
            let uri = |address: &SocketAddr| format!("http://{address}/").parse().map_err(text);
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let client = Client::builder(TokioExecutor::new()).build(connector);
            return Ok(Caller::Http {
                client,
                targets: self.target.iter().map(uri).collect::<Result<_, _>>()?,
            });
        }
        let tls = self.tls.as_ref().map(|_| self.tls_config()).transpose()?;
        let mut connections = Vec::new();
        for number in 0..self.connections {
            let target = self.target[number % self.target.len()];
            connections.push(connect(target, tls.clone(), self.window).await?);
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let token = self.token.as_ref().map(std::fs::read_to_string).transpose().map_err(text)?;
        let authorization = token.map(|token| format!("Bearer {}", token.trim()).parse().map_err(text));
        let request = Template {
            uri: format!("{scheme}://localhost{}", self.operation.path()).parse().map_err(text)?,
            timeout: format!("{}S", self.deadline_seconds).parse().map_err(text)?,
            authorization: authorization.transpose()?,
            body: self.operation.grpc(),
        };
        Ok(Caller::Grpc { connections, request: Arc::new(request) })
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>, String> {
        let folder = self.tls.clone().unwrap_or_default();
        let mut roots = RootCertStore::empty();
        for root in certificates(folder.join("ca.pem"))? {
            roots.add(root).map_err(text)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = if self.certificate {
            let key = PrivateKeyDer::from_pem_file(folder.join("client-key.pem")).map_err(text)?;
            config.with_client_auth_cert(certificates(folder.join("client.pem"))?, key).map_err(text)?
        } else {
            config.with_no_client_auth()
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(file: PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let file = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    CertificateDer::pem_reader_iter(BufReader::new(file)).collect::<Result<_, _>>().map_err(text)
}

async fn connect(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    window: Option<u32>,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let socket = TcpStream::connect(address).await.map_err(text)?;
    socket.set_nodelay(true).map_err(text)?;
    match tls {
        None => handshake(socket, window).await,
        Some(config) => {
            let name = ServerName::try_from("localhost").map_err(text)?;
            handshake(TlsConnector::from(config).connect(name, socket).await.map_err(text)?, window).await
        }
    }
}

async fn handshake<S>(socket: S, window: Option<u32>) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http2::Builder::new(TokioExecutor::new());
    if let Some(window) = window {
        http.initial_stream_window_size(window);
    }
    let (mut sender, connection) = http.handshake(TokioIo::new(socket)).await.map_err(text)?;
    // It ends with its last sender.
    drop(tokio::spawn(connection));
    sender.ready().await.map_err(text)?;
    Ok(sender)
}

impl Call for Caller {
    async fn call(&self, number: u64) -> Result<(), String> {
        let turn = |of: usize| usize::try_from(number).unwrap_or_default() % of;
        match self {
            Self::Grpc { connections, request } => {
                grpc(connections[turn(connections.len())].clone(), request).await
            }
            Self::Http { client, targets } => plain(client, targets[turn(targets.len())].clone()).await,
        }
    }
}

async fn grpc(mut connection: SendRequest<Full<Bytes>>, template: &Template) -> Result<(), String> {
    let mut request = Request::new(Full::new(template.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = template.uri.clone();
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert("grpc-timeout", template.timeout.clone());
    if let Some(authorization) = &template.authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    connection.ready().await.map_err(text)?;
    let response = connection.send_request(request).await.map_err(text)?;
    let (head, body) = response.into_parts();
    // An error has its status in the headers, a success in the trailers.
    let mut status = head.headers.get("grpc-status").cloned();
    let mut message = 0;
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(text)?;
        message += frame.data_ref().map_or(0, Bytes::len);
        if let Some(trailers) = frame.trailers_ref() {
            status = trailers.get("grpc-status").cloned();
        }
    }
    match status {
        Some(status) if status == "0" && message >= 5 => Ok(()),
        status => Err(format!("status {status:?}, {message} bytes, {:?}", head.headers.get("grpc-message"))),
    }
}

async fn plain(client: &Client<HttpConnector, Full<Bytes>>, uri: Uri) -> Result<(), String> {
    let request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", payload::TARGET)
        .body(Full::new(payload::json()))
        .map_err(text)?;
    let response = client.request(request).await.map_err(text)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(text)?.to_bytes();
    if status == StatusCode::OK && !body.is_empty() {
        return Ok(());
    }
    Err(format!("{status}: {}", String::from_utf8_lossy(&body)))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
