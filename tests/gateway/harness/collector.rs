//! A stand-in for an OpenTelemetry collector: OTLP's own receiver on a real socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use codepipeline_gateway::telemetry::{TraceSettings, Traces};
use http::{HeaderMap, Request};
use http_body_util::Full;
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
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};
use tower::ServiceExt;

use super::http_server::{HttpServer, acceptor};
use super::{PATIENCE, loopback, until};

/// How the collector responds to an export.
#[derive(Clone, Debug)]
pub enum Mode {
    Accept,
    Reject(Code, String),
    Hang,
}

/// One export, as received.
#[derive(Clone, Debug)]
pub struct Export {
    pub headers: HeaderMap,
    /// The gRPC frames, neither decoded nor decompressed.
    pub raw: Bytes,
    pub request: ExportTraceServiceRequest,
}

pub struct Collector {
    pub address: SocketAddr,
    state: Arc<State>,
    _server: HttpServer,
}

struct State {
    mode: Mutex<Mode>,
    exports: Mutex<Vec<Export>>,
    /// Exports that hung and that the client abandoned.
    abandoned: AtomicUsize,
}

impl Collector {
    pub async fn start() -> Self {
        Self::on(None).await
    }

    /// Starts a collector with a certificate and its key, in PEM form.
    pub async fn with_tls(pair: &(String, String)) -> Self {
        Self::on(Some(acceptor(pair, &[b"h2"]))).await
    }

    async fn on(tls: Option<TlsAcceptor>) -> Self {
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Accept),
            exports: Mutex::default(),
            abandoned: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let server = HttpServer::on(loopback().await, tls, move |request| shared.clone().receive(request));
        Self { address: server.address, state, _server: server }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set_mode(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    /// All exports, the rejected ones included.
    pub fn exports(&self) -> Vec<Export> {
        self.state.exports.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.exports().iter().flat_map(spans).collect()
    }

    pub async fn wait_for_exports(&self, count: usize) {
        until("exports", PATIENCE, async || self.exports().len(), |seen| *seen >= count).await;
    }

    /// Waits until the client has abandoned this many exports that hang.
    pub async fn wait_for_abandoned(&self, count: usize) {
        let abandoned = async || self.state.abandoned.load(Ordering::SeqCst);
        until("abandoned exports", PATIENCE, abandoned, |seen| *seen >= count).await;
    }

    pub async fn wait_for_spans(&self, count: usize) -> Vec<Span> {
        until("spans", PATIENCE, async || self.spans(), |seen| seen.len() >= count).await
    }
}

impl State {
    async fn receive(self: Arc<Self>, request: Request<Bytes>) -> http::Response<Body> {
        let (head, raw) = request.into_parts();
        let receiver = Receiver { state: self, headers: head.headers.clone(), raw: raw.clone() };
        let service = TraceServiceServer::new(receiver).accept_compressed(CompressionEncoding::Gzip);
        let request = Request::from_parts(head, Body::new(Full::from(raw)));
        service.oneshot(request).await.unwrap_or_else(|never| match never {})
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
        self.state.exports.lock().unwrap().push(export);
        let mode = self.state.mode.lock().unwrap().clone();
        match mode {
            Mode::Accept => Ok(Response::new(ExportTraceServiceResponse::default())),
            Mode::Reject(code, message) => Err(Status::new(code, message)),
            Mode::Hang => {
                let _abandoned = Abandoned(&self.state);
                std::future::pending().await
            }
        }
    }
}

/// Counts when it is dropped.
struct Abandoned<'a>(&'a State);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::SeqCst);
    }
}

fn spans(export: &Export) -> Vec<Span> {
    let scopes = export.request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

/// Settings for tests: every span is exported, after 50 ms.
pub fn trace_settings(url: &str) -> TraceSettings {
    TraceSettings {
        collector: Endpoint::from_shared(url.to_owned()).unwrap(),
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
    Traces::start(&trace_settings(&collector.url())).unwrap()
}

/// The attribute of a span, as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

/// An ID in hexadecimal digits.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
