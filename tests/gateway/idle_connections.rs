//! Idle connections to AWS: a connection that AWS closes in the moment of the next call must not be used for it.

use std::time::Duration;

use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::error::{Outcome, Reason};
use codepipeline_gateway::operations::Acknowledge;
use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::settings;
use crate::port::Port;

const PATIENCE: Duration = Duration::from_secs(30);
const RESPONSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 23\r\n\r\n\
                        {\"status\":\"InProgress\"}";

fn request() -> AcknowledgeThirdPartyJobRequest {
    AcknowledgeThirdPartyJobRequest {
        job_id: "job-1".into(),
        nonce: "nonce-1".into(),
        client_token: "token-1".into(),
    }
}

/// Answers the first request of each connection, and reports when its client closes it. A second request finds the connection
/// closed, as on a server whose idle time is over in that moment: the bytes have left, and no response comes.
async fn serve(mut socket: TcpStream, closed_by_client: mpsc::UnboundedSender<()>) {
    let mut bytes = [0; 16 * 1024];
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let read = socket.read(&mut bytes).await.unwrap();
        request.extend_from_slice(&bytes[..read]);
    }
    socket.write_all(RESPONSE.as_bytes()).await.unwrap();
    if socket.read(&mut bytes).await.unwrap() == 0 {
        closed_by_client.send(()).unwrap();
    }
}

/// A server, and the news of connections that its clients closed.
async fn server() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (closed, news) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket, closed.clone()));
        }
    });
    (endpoint, news)
}

fn limits(idle_timeout: Duration) -> Limits {
    Limits { idle_timeout, max_attempts: 1, ..settings().aws }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_the_next_call_gets_a_new_one() {
    let (endpoint, mut closed) = server().await;
    let port = Port::new(endpoint, limits(Duration::from_millis(200))).await;
    for _ in 0..5 {
        assert!(port.call::<Acknowledge>(request()).await.is_ok());
        timeout(PATIENCE, closed.recv()).await.expect("the gateway closes its idle connection");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_idle_timeout_the_next_call_is_unknown() {
    let (endpoint, _closed) = server().await;
    let port = Port::new(endpoint, limits(Duration::from_secs(3600))).await;
    assert!(port.call::<Acknowledge>(request()).await.is_ok());
    let failure = port.call::<Acknowledge>(request()).await.unwrap_err();
    assert_eq!((failure.reason, failure.outcome), (Reason::AwsConnectionLost, Outcome::Unknown));
}
