//! HTTP/2 by hand, for what no client library would send: frames as bytes, and what the other side makes of them.

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

use crate::process::PATIENCE;

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

/// A flag of PING.
const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// `ENHANCE_YOUR_CALM`.
pub const CALM: u32 = 0xb;

pub const ACKNOWLEDGE: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";
pub const CHECK: &str = "/grpc.health.v1.Health/Check";
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub fn rst(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// SETTINGS with `SETTINGS_INITIAL_WINDOW_SIZE` 0: no answer with a body can be sent.
pub fn zero_window() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// A header field as HPACK writes one that is in no table (RFC 7541, 6.2.2).
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

/// A gRPC call's HEADERS; its message is still to come.
pub fn begin(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(path))
}

/// A gRPC message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, bytes].concat()
}

/// A whole call with an empty message.
pub fn call(stream: u32, path: &str) -> Vec<u8> {
    [begin(stream, path), frame(DATA, END_STREAM, stream, &message(&[]))].concat()
}

/// The id of a connection's stream, counted from 0.
pub fn id(count: u32) -> u32 {
    2 * count + 1
}

/// A connection that sends what it is told to, and reads all the while.
pub struct Raw {
    sends: OwnedWriteHalf,
    reads: JoinHandle<Seen>,
    /// Answers that have begun.
    answers: watch::Receiver<usize>,
    answers_pings: Arc<AtomicBool>,
}

/// What came from the other side until it closed.
#[derive(Debug, Default)]
pub struct Seen {
    /// The error code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// The error codes of RST_STREAM, and how often.
    pub resets: BTreeMap<u32, usize>,
    /// Frames by their kind.
    pub frames: BTreeMap<u8, usize>,
    /// All bytes that came.
    pub bytes: usize,
    /// The first of them, for whoever doesn't speak HTTP/2.
    pub start: Vec<u8>,
}

impl Raw {
    /// Connects and sends nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        let (reads, sends) = TcpStream::connect(address).await.unwrap().into_split();
        let count = watch::Sender::new(0);
        let answers = count.subscribe();
        let answers_pings = Arc::<AtomicBool>::default();
        let reads = tokio::spawn(read_all(reads, count, answers_pings.clone()));
        Self { sends, reads, answers, answers_pings }
    }

    /// Answers pings from now on, as all libraries do. Nothing may be sent any more: an answer could come in between.
    pub fn answer_pings(&self) {
        self.answers_pings.store(true, Ordering::Relaxed);
    }

    /// Connects and greets with these SETTINGS.
    pub async fn greet(address: SocketAddr, settings: &[u8]) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&[PREFACE, settings].concat()).await;
        raw
    }

    pub async fn plain(address: SocketAddr) -> Self {
        Self::greet(address, &frame(SETTINGS, 0, 0, &[])).await
    }

    /// Whether the other side still takes what is sent.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.sends.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Waits for as many answers on this connection.
    pub async fn until_answers(&mut self, count: usize) {
        let waiting = timeout(PATIENCE, self.answers.wait_for(|answers| *answers >= count)).await;
        let come = waiting.map(|waited| waited.is_ok());
        assert_eq!(come, Ok(true), "{} answers instead of {count}", *self.answers.borrow());
    }

    /// What came until the other side closed the connection.
    pub async fn until_closed(self) -> Seen {
        let seen = timeout(PATIENCE, self.reads).await.expect("the gateway never closes the connection");
        drop(self.sends);
        seen.unwrap()
    }

    /// What came within this time, or until the other side closed; then this side closes.
    pub async fn until(self, time: Duration) -> Seen {
        let Self { mut sends, mut reads, .. } = self;
        if let Ok(seen) = timeout(time, &mut reads).await {
            return seen.unwrap();
        }
        let _ = sends.shutdown().await;
        timeout(PATIENCE, reads).await.expect("the gateway never closes the connection").unwrap()
    }
}

/// Reads frames, or whatever comes instead, to the end of the connection.
async fn read_all(
    mut socket: OwnedReadHalf,
    answers: watch::Sender<usize>,
    answers_pings: Arc<AtomicBool>,
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
            if one[3] == PING && answers_pings.load(Ordering::Relaxed) {
                // It may be closed by now.
                let _ = socket.as_ref().try_write(&frame(PING, ACK, 0, &one[9..]));
            }
            done += length;
        }
        rest.drain(..done);
        answers.send_replace(seen.count(HEADERS));
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
