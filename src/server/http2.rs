//! The sizes, times, and counts that limit each HTTP/2 connection.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;

use super::peer::Tasks;

/// Largest message of a job operation, in bytes.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Largest message of health and reflection, in bytes. It contains a name. Clients that keep many
/// of these streams open must not take up much memory.
pub(super) const MAX_NAME_MESSAGE: usize = 4 * 1024;
/// A peer that vanished is detected after this interval and a `PING_TIMEOUT`.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest header block, in bytes; a larger one gets 431. A call's headers have a few hundred
/// bytes, and perhaps a token.
const MAX_HEADERS: u32 = 16 * 1024;
/// HTTP/2's smallest and default frame size, in bytes. In a larger frame, one call's bytes would
/// hold up another's.
const MAX_FRAME: u32 = 16 * 1024;
/// Bytes that a client can send on a stream before the gateway reads them: the largest message and
/// its prefix.
#[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
const STREAM_WINDOW: u32 = MAX_MESSAGE as u32 + 5;
/// Bytes that a client can send on a connection before the gateway reads them, per open stream. h2
/// closes a connection if more small DATA frames wait than half of the window covers, at 256 bytes
/// each. A client that starts all its calls together must not look like a flood.
const WINDOW_PER_STREAM: u32 = 2 * 256;
/// Limits of the connection's window: at least one message, and a maximum for any number of
/// streams.
const CONNECTION_WINDOW: (u32, u32) = (STREAM_WINDOW, 16 * 1024 * 1024);
/// Bytes of a response that wait on a stream before the gateway produces more. Most responses are
/// below 4 KiB; job details and reflection can exceed this limit.
const MAX_SEND_BUFFER: usize = 64 * 1024;
/// Most streams that a client opened and reset before the gateway accepted them. A further one
/// closes the connection with ENHANCE_YOUR_CALM ("rapid reset", CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Most streams of a connection that the gateway reset for protocol errors of the client. A further
/// one closes the connection with ENHANCE_YOUR_CALM ("MadeYouReset", CVE-2025-8671). A correct
/// client can cause some of them if it is rejected while it still sends its message.
const MAX_ERROR_RESETS: usize = 1024;
/// The maximum time for a TLS handshake, for the HTTP/2 connection preface, and for HTTP/1 headers.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Serves one connection, whose streams run as these tasks. The time limit covers HTTP/1 headers
/// only; `connection` limits the wait for HTTP/2's connection preface.
pub(super) fn connections(tasks: Tasks, max_streams: u32) -> auto::Builder<Tasks> {
    let mut http = auto::Builder::new(tasks);
    // HTTP/1 is served only to reject it with a text (see `grpc_only`).
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIME)
        .max_buf_size(MAX_HEADERS as usize)
        .keep_alive(false);
    let (least, most) = CONNECTION_WINDOW;
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(MAX_HEADERS)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(max_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(max_streams.saturating_mul(WINDOW_PER_STREAM).clamp(least, most))
        .max_send_buf_size(MAX_SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS);
    http
}
