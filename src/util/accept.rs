//! Handles errors of accept(2).

use std::io;
use std::time::Duration;

use tokio::time::sleep;

/// The pause before the next try when the process is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// EBADF, ENOTSOCK, and EOPNOTSUPP, which have no stable `ErrorKind`.
const NO_LISTENER: [i32; 3] = [9, 88, 95];

/// Waits if a later accept can succeed.
///
/// accept(2) also returns the errors of the connection that it would have accepted. The listener
/// still works after those.
///
/// # Errors
/// The listener is lost.
pub(crate) async fn handle_accept_error(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput};
    match error.kind() {
        // The client disconnected before its connection was accepted.
        ConnectionAborted | ConnectionReset | Interrupted => Ok(()),
        kind if kind == InvalidInput
            || error.raw_os_error().is_some_and(|code| NO_LISTENER.contains(&code)) =>
        {
            Err(error)
        }
        // Out of file descriptors or memory, or rejected by the network. None of these lasts.
        _ => {
            tracing::warn!(%error, "can't accept a connection; retrying");
            sleep(EXHAUSTED_PAUSE).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_lost_listener_is_an_error() {
        for (code, lost) in [(9, true), (88, true), (95, true), (103, false), (24, false), (12, false)] {
            let handled = handle_accept_error(io::Error::from_raw_os_error(code)).await;
            assert_eq!(handled.is_err(), lost, "errno {code}");
        }
    }
}
