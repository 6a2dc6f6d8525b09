//! An issuer's HTTPS server with configured responses. It records the requests.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use rcgen::SanType;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::body::Body;

use super::certificates::Authority;
use super::http_server::{HttpServer, acceptor, respond};
use super::{PATIENCE, loopback, until};

/// The response of a path.
#[derive(Clone, Debug)]
pub enum Reply {
    Document(String),
    /// The document for requests with this bearer token, else 401.
    For(String, String),
    Status(u16, String),
    Redirect(String),
    /// The document, once the test sends true.
    Later(String, watch::Receiver<bool>),
    /// No response.
    Silence,
    /// A body that arrives slowly and never ends.
    Drip,
}

/// A request for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub path: String,
    pub authorization: Option<String>,
}

pub struct KeyServer {
    pub url: String,
    folder: TempDir,
    state: Arc<State>,
    _server: HttpServer,
}

#[derive(Default)]
struct State {
    replies: Mutex<HashMap<String, Reply>>,
    fetches: Mutex<Vec<Fetch>>,
}

impl KeyServer {
    pub async fn start() -> Self {
        Self::on(loopback().await)
    }

    /// Starts a server on this listener, with a certificate for 127.0.0.1.
    pub fn on(listener: TcpListener) -> Self {
        let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
        fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        let pair = authority.issue_names(vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))]);
        let state = Arc::<State>::default();
        let shared = state.clone();
        let handler = move |request| shared.clone().reply(request);
        let server = HttpServer::on(listener, Some(acceptor(&pair, &[])), handler);
        Self { url: format!("https://{}", server.address), folder, state, _server: server }
    }

    /// The PEM file with the certificate of the server's authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    pub fn reply(&self, path: &str, reply: Reply) {
        self.state.replies.lock().unwrap().insert(path.into(), reply);
    }

    pub fn document(&self, path: &str, document: String) {
        self.reply(path, Reply::Document(document));
    }

    pub fn fetches(&self) -> Vec<Fetch> {
        self.state.fetches.lock().unwrap().clone()
    }

    /// Waits until this many requests have come.
    pub async fn wait_for_fetches(&self, count: usize) {
        until("requests for keys", PATIENCE, async || self.fetches(), |seen| seen.len() >= count).await;
    }
}

impl State {
    async fn reply(self: Arc<Self>, request: Request<Bytes>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let header = request.headers().get("authorization");
        let authorization = header.map(|value| value.to_str().unwrap().to_owned());
        let reply = self.replies.lock().unwrap().get(&path).cloned();
        let fetch = Fetch { path, authorization: authorization.clone() };
        self.fetches.lock().unwrap().push(fetch);
        match reply {
            Some(Reply::Document(document)) => respond(200, document),
            Some(Reply::For(token, document)) if authorization == Some(format!("Bearer {token}")) => {
                respond(200, document)
            }
            Some(Reply::For(..)) => respond(401, "Unauthorized"),
            Some(Reply::Status(status, text)) => respond(status, text),
            Some(Reply::Redirect(to)) => {
                let mut response = respond(302, "");
                response.headers_mut().insert("location", to.parse().unwrap());
                response
            }
            Some(Reply::Later(document, mut now)) => {
                now.wait_for(|now| *now).await.unwrap();
                respond(200, document)
            }
            Some(Reply::Silence) => std::future::pending().await,
            Some(Reply::Drip) => {
                let drips = futures_util::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b" "))), ()))
                });
                Response::new(Body::new(StreamBody::new(drips)))
            }
            None => respond(404, ""),
        }
    }
}
