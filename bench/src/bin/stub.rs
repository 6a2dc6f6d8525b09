//! `stub`: answers every operation with success, as fast as it can, so that the
//! measurement is of its client. It checks that a request has the operation and a signature. The
//! simulator also verifies signatures.
//!
//! `PUT /gate/closed` makes it hold its responses, `PUT /gate/open` releases them, and `GET /held`
//! returns the number of held responses.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use codepipeline_gateway_bench::listen::Listen;
use codepipeline_gateway_bench::payload::Operation;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    listen: Listen,
    /// How long each response takes
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// The length of a job's configuration, in bytes
    #[arg(long, default_value_t = 2000)]
    configuration: usize,
}

struct Stub {
    /// The responses of the operations, by their names.
    responses: Vec<(&'static str, Bytes)>,
    answered: AtomicU64,
    held: AtomicU64,
    gate: watch::Sender<bool>,
    delay: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cli = Cli::parse();
    let listener = listen(cli.listen.addr)?;
    let tls = cli.listen.identity()?.map(acceptor).transpose()?;
    let stub = Arc::new(Stub {
        responses: Operation::value_variants()
            .iter()
            .map(|of| (of.name(), of.response(cli.configuration)))
            .collect(),
        answered: AtomicU64::new(0),
        held: AtomicU64::new(0),
        gate: watch::Sender::new(true),
        delay: Duration::from_millis(cli.delay_ms),
    });
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (stub, tls) = (stub.clone(), tls.clone());
        // Each task ends with its client, and the harness kills the process.
        drop(tokio::spawn(async move {
            match tls {
                None => serve(socket, stub).await,
                Some(tls) => match tls.accept(socket).await {
                    Ok(socket) => serve(socket, stub).await,
                    Err(error) => eprintln!("stub: {error}"),
                },
            }
        }));
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // Each held call has a connection of its own, and there are thousands.
    socket.listen(8192)
}

fn acceptor([chain, key]: [Vec<u8>; 2]) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&key)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(socket: S, stub: Arc<Stub>) {
    let service = service_fn(move |request| {
        let stub = stub.clone();
        async move { Ok::<_, Infallible>(stub.answer(request).await) }
    });
    // A client that disconnects is no error.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

impl Stub {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        match path {
            "/gate/closed" | "/gate/open" => {
                self.gate.send_replace(path.ends_with("open"));
                return Response::default();
            }
            "/held" => return Response::new(self.held.load(Ordering::Relaxed).to_string().into()),
            _ => {}
        }
        let headers = request.headers();
        let target = headers.get("x-amz-target").map(HeaderValue::as_bytes).unwrap_or_default();
        let found = self.responses.iter().find(|(operation, _)| target.ends_with(operation.as_bytes()));
        let signed = headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 "));
        let Ok(body) = request.into_body().collect().await else {
            return Response::default();
        };
        let (Some((_, body)), true, true) = (found, signed, body.to_bytes().len() > 80) else {
            return error(
                r#"{"__type":"MissingAuthenticationToken","message":"no such operation, or not signed"}"#,
            );
        };
        self.wait().await;
        let mut response = Response::new(Full::from(body.clone()));
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        // As long as a UUID, which AWS's ids are.
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amzn-requestid", id.parse().expect("plain characters"));
        response
    }

    async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if !*self.gate.borrow() {
            self.held.fetch_add(1, Ordering::Relaxed);
            let _ = self.gate.subscribe().wait_for(|open| *open).await;
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn error(body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    response
}
