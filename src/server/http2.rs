//! What HTTP/2 may ask of the gateway: the sizes, times and counts that every connection has.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;

use super::MAX_MESSAGE;
use super::connection::Tasks;

/// A caller that vanished without a word is noticed after one of these and a `PING_TIMEOUT`.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Header blocks over this, in bytes, are refused with 431; what callers send is a few hundred bytes and perhaps a token.
const MAX_HEADERS: u32 = 16 * 1024;
/// HTTP/2's least and default frame size, in bytes: a longer frame would only let one call's bytes wait behind another's.
const MAX_FRAME: u32 = 16 * 1024;
/// What a caller may send of a call before it is read, in bytes: the largest message and its prefix, in one go.
#[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
const STREAM_WINDOW: u32 = MAX_MESSAGE as u32 + 5;
/// What a caller may send on a connection before it is read, in bytes for each stream that may be open. h2 lets half of
/// it pay for small DATA frames at up to 256 bytes each, and closes a connection that has more of them waiting: a caller
/// that begins all its calls at once must not be taken for a flood.
const WINDOW_PER_STREAM: u32 = 2 * 256;
/// Bounds of that: no less than one message; no more than this, however many calls may be in flight.
const CONNECTION_WINDOW: (u32, u32) = (STREAM_WINDOW, 16 * 1024 * 1024);
/// What waits to be sent on a stream before more is made, in bytes. Answers are below 4 KiB, reflection's some tens.
const MAX_SEND_BUFFER: usize = 64 * 1024;
/// Streams that were opened and reset before they were even looked at. One more and the connection ends with
/// ENHANCE_YOUR_CALM: "rapid reset", CVE-2023-44487.
const MAX_PENDING_RESETS: usize = 20;
/// Streams, over a connection's life, that its caller's breaches of the protocol made the gateway reset. One more and the
/// connection ends with ENHANCE_YOUR_CALM: "MadeYouReset", CVE-2025-8671. A sound caller may cause some where it is
/// refused while its message is still coming.
const MAX_ERROR_RESETS: usize = 1024;
/// Streams that a connection may have open beyond the calls that may be in flight: health, reflection, and calls that are
/// to hear that they are too many instead of waiting in their library.
pub(super) const EXTRA_STREAMS: usize = 128;
/// Those of them that may be health watches and reflection, which last: a caller has one, a proxy may bring several's.
pub(super) const LONG_LIVED_STREAMS: usize = 16;

/// Serves connections whose streams run as these tasks. A greeting that doesn't come has to be watched for elsewhere: only
/// HTTP/1's has a time here.
pub(super) fn connections(tasks: Tasks, max_streams: u32, header_time: Duration) -> auto::Builder<Tasks> {
    let mut http = auto::Builder::new(tasks);
    // HTTP/1 is understood only to answer it with a sentence (see `grpc_call`).
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
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
