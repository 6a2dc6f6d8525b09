//! HTTP/2 frames as bytes, for traffic that no client library sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PATIENCE, grpc_frame, within};

/// The HTTP/2 connection preface, without the SETTINGS that follow it.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

/// The flag of a PING response.
const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// `ENHANCE_YOUR_CALM`.
pub const CALM: u32 = 0xb;

/// An HTTP/2 frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `RST_STREAM` with the code CANCEL.
pub fn rst(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// The preface with empty SETTINGS.
pub fn full_preface() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// SETTINGS with `SETTINGS_INITIAL_WINDOW_SIZE` 0: the other side can send no body.
pub fn zero_window() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// A literal header field without indexing (RFC 7541, 6.2.2).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut coded = Vec::new();
    if text.len() < 127 {
        coded.push(u8::try_from(text.len()).unwrap());
    } else {
        coded.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            coded.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        coded.push(u8::try_from(rest).unwrap());
    }
    coded.extend_from_slice(text.as_bytes());
    coded
}

/// The header block of a gRPC call.
pub fn block(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "gateway.test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The HEADERS of a gRPC call, without its message.
pub fn begin(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(path))
}

/// An uncompressed gRPC message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    grpc_frame(0, bytes)
}

/// A complete call with an empty message.
pub fn call(stream: u32, path: &str) -> Vec<u8> {
    [begin(stream, path), frame(DATA, END_STREAM, stream, &message(&[]))].concat()
}

/// The ID of a connection's stream, counted from 0.
pub fn id(count: u32) -> u32 {
    2 * count + 1
}

/// A connection that sends bytes and reads at the same time.
pub struct Raw {
    sends: OwnedWriteHalf,
    reads: JoinHandle<Seen>,
    /// Responses that have started.
    responses: watch::Receiver<usize>,
    replies_to_pings: Arc<AtomicBool>,
}

/// Everything that came until the other side closed the connection.
#[derive(Debug, Default)]
pub struct Seen {
    /// The error code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// The error codes of RST_STREAM with their counts.
    pub resets: BTreeMap<u32, usize>,
    /// The number of frames of each kind.
    pub frames: BTreeMap<u8, usize>,
    /// The number of bytes.
    pub bytes: usize,
    /// The first bytes, for responses that aren't HTTP/2.
    pub start: Vec<u8>,
}

impl Raw {
    /// Connects and sends nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        let (reads, sends) = TcpStream::connect(address).await.unwrap().into_split();
        let count = watch::Sender::new(0);
        let responses = count.subscribe();
        let replies_to_pings = Arc::<AtomicBool>::default();
        let reads = tokio::spawn(read_all(reads, count, replies_to_pings.clone()));
        Self { sends, reads, responses, replies_to_pings }
    }

    /// Responds to pings from now on, as all libraries do. A test must not send after this: the
    /// bytes could mix.
    pub fn reply_to_pings(&self) {
        self.replies_to_pings.store(true, Ordering::Relaxed);
    }

    /// Connects and sends the preface with these SETTINGS.
    pub async fn with_settings(address: SocketAddr, settings: &[u8]) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&[PREFACE, settings].concat()).await;
        raw
    }

    /// Connects and sends the preface with empty SETTINGS.
    pub async fn plain(address: SocketAddr) -> Self {
        Self::with_settings(address, &frame(SETTINGS, 0, 0, &[])).await
    }

    /// Sends bytes, and returns whether the other side still reads.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.sends.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Waits for this many responses on this connection.
    pub async fn until_responses(&mut self, count: usize) {
        let waiting = timeout(PATIENCE, self.responses.wait_for(|responses| *responses >= count)).await;
        let come = waiting.map(|waited| waited.is_ok());
        assert_eq!(come, Ok(true), "{} responses instead of {count}", *self.responses.borrow());
    }

    /// Waits until the other side closes the connection, and returns everything that came.
    pub async fn until_closed(self) -> Seen {
        let seen = within("the end of the connection", PATIENCE, self.reads).await;
        drop(self.sends);
        seen.unwrap()
    }

    /// Reads for this time or until the other side closes the connection, then closes this side.
    pub async fn until(self, time: Duration) -> Seen {
        let Self { mut sends, mut reads, .. } = self;
        if let Ok(seen) = timeout(time, &mut reads).await {
            return seen.unwrap();
        }
        let _ = sends.shutdown().await;
        within("the end of the connection", PATIENCE, reads).await.unwrap()
    }
}

/// Reads frames or other bytes to the end of the connection.
async fn read_all(
    mut socket: OwnedReadHalf,
    responses: watch::Sender<usize>,
    replies_to_pings: Arc<AtomicBool>,
) -> Seen {
    let (mut seen, mut rest, mut chunk) = (Seen::default(), Vec::new(), vec![0; 16 * 1024]);
    loop {
        let Ok(read @ 1..) = socket.read(&mut chunk).await else { return seen };
        seen.bytes += read;
        let missing = 64_usize.saturating_sub(seen.start.len()).min(read);
        seen.start.extend_from_slice(&chunk[..missing]);
        rest.extend_from_slice(&chunk[..read]);
        let mut done = 0;
        while let Some(length) = whole_frame(&rest[done..]) {
            let one = &rest[done..done + length];
            seen.note(one);
            if one[3] == PING && replies_to_pings.load(Ordering::Relaxed) {
                // The connection might be closed.
                let _ = socket.as_ref().try_write(&frame(PING, ACK, 0, &one[9..]));
            }
            done += length;
        }
        rest.drain(..done);
        responses.send_replace(seen.count(HEADERS));
    }
}

fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let length = 9 + u32::from_be_bytes([0, *bytes.first()?, *bytes.get(1)?, *bytes.get(2)?]) as usize;
    (bytes.len() >= length).then_some(length)
}

impl Seen {
    fn note(&mut self, frame: &[u8]) {
        *self.frames.entry(frame[3]).or_default() += 1;
        let code = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        match frame[3] {
            RST_STREAM if frame.len() == 13 => *self.resets.entry(code(9)).or_default() += 1,
            GOAWAY if frame.len() >= 17 => self.goaway = Some(code(13)),
            _ => {}
        }
    }

    pub fn count(&self, kind: u8) -> usize {
        self.frames.get(&kind).copied().unwrap_or_default()
    }
}
