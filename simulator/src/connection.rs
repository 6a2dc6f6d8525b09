//! One connection from accept to end, and the ends that only the socket's owner can bring about.

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

/// Carries a connection until it ends or `drain` asks it to.
pub(crate) async fn serve(stream: TcpStream, state: Arc<State>, drain: CancellationToken) {
    let open = state.records.connected();
    // Answers are small: without this, delayed acknowledgements would add 40 ms to some. A failure changes
    // nothing else.
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
                    // The loop below takes the socket away and drops this future with the connection.
                    let _ = end.send(how).await;
                    future::pending().await
                }
            }
        }
    });
    let mut http = http1::Builder::new()
        // `Date` is the simulator's own business, and a slow client is its own test's.
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut draining = false;
    let how = loop {
        tokio::select! {
            // Whatever a client does to its connection is its right; the records tell what it meant for its
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
        // Peeking waits for bytes and leaves them unread. An error means that the client has gone already.
        let _ = stream.peek(&mut [0]).await;
    }
    finish(stream, how).await;
}

/// Errors are of no interest: they mean that the client was faster.
async fn finish(mut stream: TcpStream, how: ConnectionEnd) {
    match how {
        ConnectionEnd::Reset => {
            let _ = stream.set_zero_linger();
        }
        ConnectionEnd::Close(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // Closing a socket with unread bytes makes the kernel send RST instead of FIN, so read until the
            // client goes.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
}
