//! An issuer's HTTPS server on loopback: it answers as it is told, and remembers who asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::SanType;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;
use crate::harness::loopback;

/// What a path answers with.
#[derive(Clone, Debug)]
pub enum Answer {
    Document(String),
    /// The document, to who shows this bearer token; else 401.
    For(String, String),
    Status(u16, String),
    Redirect(String),
    /// The document, once the test says so.
    Later(String, watch::Receiver<bool>),
    /// Nothing, ever.
    Silence,
    /// A body without an end, a little at a time.
    Drip,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
}

pub struct KeyServer {
    pub url: String,
    folder: TempDir,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: watch::Sender<Vec<Asked>>,
    serving: JoinHandle<()>,
}

impl KeyServer {
    pub async fn start() -> Self {
        let listener = loopback().await;
        Self::on(listener)
    }

    /// On a listener of the test's own, with a certificate for 127.0.0.1.
    pub fn on(listener: TcpListener) -> Self {
        let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
        fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        let (cert, key) = authority.issue_names(vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))]);
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (answers, asked) = (Arc::new(Mutex::new(HashMap::new())), watch::Sender::new(Vec::new()));
        let serving = serve(listener, TlsAcceptor::from(Arc::new(tls)), answers.clone(), asked.clone());
        Self { url, folder, answers, asked, serving: tokio::spawn(serving) }
    }

    /// Its authority's certificate, a PEM file.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.into(), answer);
    }

    pub fn document(&self, path: &str, document: String) {
        self.answer(path, Answer::Document(document));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// Waits until so many requests have come.
    pub async fn until_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Answers = Arc<Mutex<HashMap<String, Answer>>>;

async fn serve(listener: TcpListener, tls: TlsAcceptor, answers: Answers, asked: watch::Sender<Vec<Asked>>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (tls, answers, asked) = (tls.clone(), answers.clone(), asked.clone());
        tokio::spawn(async move {
            let Ok(socket) = tls.accept(socket).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let (answers, asked) = (answers.clone(), asked.clone());
                async move { Ok::<_, Infallible>(answer(&request, &answers, &asked).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn answer(
    request: &Request<Incoming>,
    answers: &Answers,
    asked: &watch::Sender<Vec<Asked>>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let answer = answers.lock().unwrap().get(&path).cloned();
    asked.send_modify(|asked| asked.push(Asked { path, authorization: authorization.clone() }));
    match answer {
        Some(Answer::Document(document)) => respond(200, document),
        Some(Answer::For(token, document)) if authorization == Some(format!("Bearer {token}")) => {
            respond(200, document)
        }
        Some(Answer::For(..)) => respond(401, "Unauthorized".into()),
        Some(Answer::Status(status, text)) => respond(status, text),
        Some(Answer::Redirect(to)) => {
            let mut response = respond(302, String::new());
            response.headers_mut().insert("location", to.parse().unwrap());
            response
        }
        Some(Answer::Later(document, mut now)) => {
            now.wait_for(|now| *now).await.unwrap();
            respond(200, document)
        }
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::Drip) => {
            let drips = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
            });
            Response::new(BodyExt::boxed(StreamBody::new(drips)))
        }
        None => respond(404, String::new()),
    }
}

fn respond(status: u16, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
