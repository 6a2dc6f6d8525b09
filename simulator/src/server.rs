//! Accepts connections. One task accepts and owns the task of every connection.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::state::State;

/// The pause after a failed accept, for example because the file descriptor limit is reached.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// A command to stop listening or to listen again.
#[derive(Debug)]
pub(crate) struct ListenCommand {
    pub(crate) refuse: bool,
    pub(crate) done: oneshot::Sender<io::Result<()>>,
}

/// Accepts until the simulator is stopped or its handle is dropped, then ends every connection.
pub(crate) async fn run(
    listener: TcpListener,
    addr: SocketAddr,
    state: Arc<State>,
    mut commands: mpsc::Receiver<ListenCommand>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    // Canceled when the simulator refuses new connections. Idle connections close immediately. Busy
    // connections close after their response.
    let mut drain = CancellationToken::new();
    loop {
        tokio::select! {
            () = state.stop_token.cancelled() => break,
            Some(_) = connections.join_next() => {}
            stream = accept(listener.as_ref()) => {
                connections.spawn(connection::serve(stream, Arc::clone(&state), drain.clone()));
            }
            command = commands.recv() => {
                let Some(ListenCommand { refuse, done }) = command else { break };
                let result = if refuse {
                    listener = None;
                    drain.cancel();
                    Ok(())
                } else {
                    listen_again(&mut listener, &mut drain, addr).await
                };
                // The requester might have been dropped in the meantime.
                let _ = done.send(result);
            }
        }
    }
    drop(listener);
    state.records.stopping();
    connections.shutdown().await;
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// Binds the port again. tokio sets `SO_REUSEADDR`, so closed connections that linger don't block
/// it.
async fn listen_again(
    listener: &mut Option<TcpListener>,
    drain: &mut CancellationToken,
    addr: SocketAddr,
) -> io::Result<()> {
    if listener.is_none() {
        *listener = Some(TcpListener::bind(addr).await?);
        *drain = CancellationToken::new();
    }
    Ok(())
}
