//! A collector: OpenTelemetry's own OTLP receiver on a real socket, and what a test asks it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use codepipeline_gateway::telemetry::{TraceSettings, Traces};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::Sampler;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};
use tower::ServiceExt;

use crate::harness::loopback;
use crate::process::PATIENCE;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Mood {
    Takes,
    Refuses(Code, String),
    Hangs,
}

/// One export as it came.
#[derive(Clone, Debug)]
pub struct Export {
    pub headers: HeaderMap,
    /// The gRPC frames, not decoded and not decompressed.
    pub raw: Bytes,
    pub request: ExportTraceServiceRequest,
}

pub struct Collector {
    pub address: SocketAddr,
    state: Arc<State>,
    /// Ends with the test.
    _serving: AbortOnDropHandle<()>,
}

struct State {
    mood: Mutex<Mood>,
    exports: watch::Sender<Vec<Export>>,
    /// Exports that it let hang and that the client gave up.
    given_up: watch::Sender<usize>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::serve(None).await
    }

    /// With a certificate and its key, in PEM form.
    pub async fn with_tls((cert, key): &(String, String)) -> Self {
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key);
        let mut config = config.unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::serve(Some(Arc::new(config).into())).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = loopback().await;
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Takes),
            exports: watch::Sender::default(),
            given_up: watch::Sender::default(),
        });
        let shared = state.clone();
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (state, tls) = (shared.clone(), tls.clone());
                open.spawn(async move {
                    match tls {
                        None => state.connection(socket).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                state.connection(socket).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn be(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// Everything that came, whatever it was answered.
    pub fn exports(&self) -> Vec<Export> {
        self.state.exports.borrow().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.exports().iter().flat_map(spans).collect()
    }

    pub async fn wait_for_exports(&self, wanted: usize) {
        let mut exports = self.state.exports.subscribe();
        let came = exports.wait_for(|exports| exports.len() >= wanted);
        timeout(PATIENCE, came).await.expect("an export").unwrap();
    }

    /// Waits until the client has given up so many exports that hang.
    pub async fn wait_for_given_up(&self, wanted: usize) {
        let mut given_up = self.state.given_up.subscribe();
        let came = given_up.wait_for(|count| *count >= wanted);
        timeout(PATIENCE, came).await.expect("an export given up").unwrap();
    }

    pub async fn wait_for_spans(&self, wanted: usize) -> Vec<Span> {
        let mut exports = self.state.exports.subscribe();
        let came = exports.wait_for(|exports| exports.iter().flat_map(spans).count() >= wanted);
        timeout(PATIENCE, came).await.expect("spans").unwrap();
        self.spans()
    }
}

impl State {
    async fn connection(self: Arc<Self>, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request| self.clone().answer(request));
        // A connection that ends badly is the client's to notice.
        let _ =
            auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<http::Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(http::Response::default()) };
        let raw = body.to_bytes();
        let receiver = Receiver { state: self, headers: head.headers.clone(), raw: raw.clone() };
        let service = TraceServiceServer::new(receiver).accept_compressed(CompressionEncoding::Gzip);
        service.oneshot(Request::from_parts(head, Body::new(Full::from(raw)))).await
    }
}

/// Receives one request.
struct Receiver {
    state: Arc<State>,
    headers: HeaderMap,
    raw: Bytes,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (headers, raw) = (self.headers.clone(), self.raw.clone());
        let export = Export { headers, raw, request: request.into_inner() };
        self.state.exports.send_modify(|exports| exports.push(export));
        let mood = self.state.mood.lock().unwrap().clone();
        match mood {
            Mood::Takes => Ok(Response::new(ExportTraceServiceResponse::default())),
            Mood::Refuses(code, message) => Err(Status::new(code, message)),
            Mood::Hangs => {
                let _given_up = GivenUp(&self.state);
                std::future::pending().await
            }
        }
    }
}

/// Counts when it is dropped.
struct GivenUp<'a>(&'a State);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.given_up.send_modify(|count| *count += 1);
    }
}

fn spans(export: &Export) -> Vec<Span> {
    let scopes = export.request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

/// Settings for tests: all spans, sent soon.
pub fn to(url: &str) -> TraceSettings {
    TraceSettings {
        collector: Endpoint::from_shared(url.to_owned()).unwrap(),
        compression: None,
        export_time: Duration::from_secs(10),
        sampler: Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
        resource: vec![KeyValue::new("service.name", "test")],
        max_waiting: 2048,
        max_batch: 512,
        batch_delay: Duration::from_millis(50),
        last_time: PATIENCE,
    }
}

pub fn traces(collector: &Collector) -> Traces {
    Traces::start(&to(&collector.url())).unwrap()
}

/// An attribute as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

/// An id as people write it.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
