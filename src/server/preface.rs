//! Wraps a socket to detect the HTTP/2 connection preface, and to limit how long one connection
//! reads.
//!
//! hyper-util reads the preface without a time limit and doesn't report its arrival. A time limit
//! in hyper-util would replace the detection (hyperium/hyper#3962; hyperium/hyper#4172 proposed
//! another).
//!
//! h2 reads on while bytes arrive. tokio's own budget counts reads and not bytes, so a flood of
//! small frames makes other connections wait three times as long. A budget in h2 would replace the
//! limit (hyperium/h2#879).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of the shortest connection preface: a fixed text and an empty SETTINGS frame (RFC 9113,
/// 3.4).
const PREFACE_BYTES: usize = 24 + 9;

/// Most bytes that a connection reads before it yields to others.
const MAX_READ_PER_TURN: usize = 16 * 1024;

/// Whether the connection has sent as many bytes as the shortest preface has.
pub(super) struct PrefaceSeen(Arc<AtomicBool>);

impl PrefaceSeen {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket that counts the bytes that it reads.
pub(super) struct PrefaceIo<S> {
    socket: S,
    /// Missing bytes of the preface.
    missing: usize,
    /// Bytes read in this turn.
    read: usize,
    preface_seen: Arc<AtomicBool>,
}

impl<S> PrefaceIo<S> {
    pub(super) fn new(socket: S) -> (Self, PrefaceSeen) {
        let preface_seen = Arc::new(AtomicBool::new(false));
        (
            Self { socket, missing: PREFACE_BYTES, read: 0, preface_seen: preface_seen.clone() },
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
        if self.read >= MAX_READ_PER_TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let received = buffer.filled().len() - before;
        // A connection that waits for bytes has yielded.
        self.read = if polled.is_pending() { 0 } else { self.read + received };
        if self.missing > 0 {
            self.missing = self.missing.saturating_sub(received);
            self.preface_seen.store(self.missing == 0, Ordering::Relaxed);
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
