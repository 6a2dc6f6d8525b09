//! A connection whose server returned an error isn't used again: the next call might meet the same
//! broken server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::error::Reason;
use codepipeline_gateway::operations::Acknowledge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::port::Port;
use crate::harness::{request, settings};

/// Answers every request of a connection with this status.
async fn serve(mut socket: TcpStream, status: u16) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let Ok(read @ 1..) = socket.read(&mut bytes).await else { return };
            request.extend_from_slice(&bytes[..read]);
        }
        let body = r#"{"status":"InProgress"}"#;
        let head = format!("HTTP/1.1 {status} Any\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
}

/// The number of calls, one after the other. A call can begin before the connection of the previous
/// call is idle, and use a new one, so two calls are too few.
const CALLS: usize = 10;

/// The number of connections that the calls need. All calls must end with this reason.
async fn connections_of_calls(status: u16, reason: Option<Reason>) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(socket, status));
        }
    });
    let port = Port::new(endpoint, Limits { max_attempts: 1, ..settings().aws }).await;
    for _ in 0..CALLS {
        let failure = port.call::<Acknowledge>(request("job-1")).await.err();
        assert_eq!(failure.map(|failure| failure.reason), reason, "{status}");
    }
    accepted.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_unless_its_server_failed() {
    assert!(connections_of_calls(200, None).await < CALLS);
    for status in [500, 502, 503, 504] {
        assert_eq!(connections_of_calls(status, Some(Reason::AwsUnavailable)).await, CALLS, "{status}");
    }
}
