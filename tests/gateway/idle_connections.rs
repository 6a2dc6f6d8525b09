//! Idle connections to AWS. The gateway must not use a connection for a call while AWS closes it.

use std::time::Duration;

use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::error::{Outcome, Reason};
use codepipeline_gateway::operations::Acknowledge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::port::Port;
use crate::harness::{PATIENCE, loopback, request, settings, within};

const RESPONSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n\
                        content-length: 23\r\n\r\n{\"status\":\"InProgress\"}";

/// Reads a request and sends the response.
async fn respond(socket: &mut TcpStream) {
    let mut bytes = [0; 16 * 1024];
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let read = socket.read(&mut bytes).await.unwrap();
        request.extend_from_slice(&bytes[..read]);
    }
    socket.write_all(RESPONSE.as_bytes()).await.unwrap();
}

/// Responds to the first request of a connection, and reports when the client closes it. A second
/// request gets no response: the server closes the connection, as if its idle time ended at that
/// moment.
async fn serve(mut socket: TcpStream, closed_by_client: mpsc::UnboundedSender<()>) {
    respond(&mut socket).await;
    if socket.read(&mut [0; 1024]).await.unwrap() == 0 {
        closed_by_client.send(()).unwrap();
    }
}

/// Responds to the first request of a connection and ends its own side, as AWS does with an idle
/// connection. Reports when the client closes the connection too.
async fn serve_and_close(mut socket: TcpStream, closed_by_client: mpsc::UnboundedSender<()>) {
    respond(&mut socket).await;
    socket.shutdown().await.unwrap();
    while socket.read(&mut [0; 1024]).await.unwrap() > 0 {}
    closed_by_client.send(()).unwrap();
}

/// A server, and a channel with one message per connection that its client closed.
async fn server() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = loopback().await;
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket, sender.clone()));
        }
    });
    (endpoint, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_that_aws_closed_keeps_no_file_open() {
    let listener = loopback().await;
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut closed) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve_and_close(socket, sender).await;
    });
    let port = Port::new(endpoint, limits(Duration::from_secs(3600))).await;
    assert!(port.call::<Acknowledge>(request("job-1")).await.is_ok());
    within("a closed connection", PATIENCE, closed.recv()).await.unwrap();
}

fn limits(idle_timeout: Duration) -> Limits {
    Limits { idle_timeout, max_attempts: 1, ..settings().aws }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_the_next_call_gets_a_new_one() {
    let (endpoint, mut closed) = server().await;
    let port = Port::new(endpoint, limits(Duration::from_millis(200))).await;
    for _ in 0..5 {
        assert!(port.call::<Acknowledge>(request("job-1")).await.is_ok());
        within("a closed idle connection", PATIENCE, closed.recv()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_idle_timeout_a_later_call_is_unknown() {
    let (endpoint, _closed) = server().await;
    let port = Port::new(endpoint, limits(Duration::from_secs(3600))).await;
    // A call can begin before the connection of the previous call is idle, and use a new one.
    for _ in 0..10 {
        if let Err(failure) = port.call::<Acknowledge>(request("job-1")).await {
            assert_eq!((failure.reason, failure.outcome), (Reason::AwsConnectionLost, Outcome::Unknown));
            return;
        }
    }
    panic!("no call used an idle connection");
}
