//! A connection's bytes on their way in: whether a greeting has come (hyper reads it without a time limit, and doesn't
//! tell when it has it), and that no connection has the runtime's thread for itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// HTTP/2's preface and the empty SETTINGS frame that has to follow it (RFC 9113, 3.4): nothing shorter is a client.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// What is read of a connection, in bytes, before others have their turn. h2 goes on for as long as there is something to
/// read, and tokio's own budget counts reads and not bytes: in a flood of small frames others waited
/// three times as long.
const TURN: usize = 16 * 1024;

/// Whether as many bytes have come as a greeting has.
pub(super) struct PrefaceSeen(Arc<AtomicBool>);

impl PrefaceSeen {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket that counts what comes.
pub(super) struct PrefaceIo<S> {
    socket: S,
    /// To the end of the greeting.
    left: usize,
    /// In this turn.
    read: usize,
    preface_seen: Arc<AtomicBool>,
}

impl<S> PrefaceIo<S> {
    pub(super) fn new(socket: S) -> (Self, PrefaceSeen) {
        let preface_seen = Arc::new(AtomicBool::new(false));
        (
            Self { socket, left: HANDSHAKE_BYTES, read: 0, preface_seen: preface_seen.clone() },
            PrefaceSeen(preface_seen),
        )
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefaceIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let came = buffer.filled().len() - before;
        // Whoever has to wait for more gives up its turn.
        self.read = if polled.is_pending() { 0 } else { self.read + came };
        if self.left > 0 {
            self.left = self.left.saturating_sub(came);
            self.preface_seen.store(self.left == 0, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefaceIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
