//! Serves one connection and ends it as a fault asks.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;

use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::{self, ConnectionEnd, Reply};
use crate::faults::{ConnectionFault, ConnectionMoment};
use crate::state::State;

/// Serves a connection until it ends or `drain` is canceled.
pub(crate) async fn serve(stream: TcpStream, state: Arc<State>, drain: CancellationToken) {
    let open = state.records.connected();
    // Responses are small. Without this, delayed TCP acknowledgments add 40 ms to some of them. A
    // failure has no other effect.
    let _ = stream.set_nodelay(true);
    let fault = state.plan().take_connection();
    if let Some(fault) = fault {
        return break_connection(stream, fault).await;
    }

    let (end, mut ending) = mpsc::channel(1);
    let number = open.number;
    let service = service_fn(|request| {
        let (state, end) = (Arc::clone(&state), end.clone());
        async move {
            match call::respond(state, number, request).await {
                Reply::Send(response) => Ok::<_, Infallible>(response.map(Full::new)),
                Reply::End(how) => {
                    // The loop below takes the socket and drops this future with the connection.
                    let _ = end.send(how).await;
                    future::pending().await
                }
            }
        }
    });
    let mut http = http1::Builder::new()
        // The simulator's own clock sets `Date`. A slow client is part of some tests.
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut draining = false;
    let how = loop {
        tokio::select! {
            // A client can end its connection in any way. The records contain the effect on its
            // requests.
            _ = &mut http => return,
            Some(how) = ending.recv() => break how,
            () = drain.cancelled(), if !draining => {
                draining = true;
                std::pin::Pin::new(&mut http).graceful_shutdown();
            }
        }
    };
    finish(http.into_parts().io.into_inner(), how).await;
}

async fn break_connection(stream: TcpStream, fault: ConnectionFault) {
    let (when, how) = match fault {
        ConnectionFault::Reset { when } => (when, ConnectionEnd::Reset),
        ConnectionFault::Close { when } => (when, ConnectionEnd::Close(Vec::new())),
    };
    if when == ConnectionMoment::BeforeRequestRead {
        // Peeking waits for bytes and leaves them unread. An error means that the client
        // disconnected.
        let _ = stream.peek(&mut [0]).await;
    }
    finish(stream, how).await;
}

/// Ends the connection. Errors are ignored, because they mean that the client ended it first.
async fn finish(mut stream: TcpStream, how: ConnectionEnd) {
    match how {
        ConnectionEnd::Reset => {
            let _ = stream.set_zero_linger();
        }
        ConnectionEnd::Close(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // The kernel sends RST instead of FIN when a socket with unread bytes is closed. So
            // read until the client disconnects.
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await.is_ok_and(|read| read > 0) {}
        }
    }
}
