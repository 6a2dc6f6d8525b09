//! What hostile clients do to the gateway, each bounded in count. Each says what became of it.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::frames::{
    ACKNOWLEDGE, CALM, CHECK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY,
    REFLECTION, Raw, SETTINGS, Seen, WATCH, begin, block, call, field, frame, id, message, rst,
    window_update, zero_window,
};

/// Long enough to send all of it again and again.
const WHILE: Duration = Duration::from_secs(1);

/// How a connection ended.
fn end(seen: &Seen) -> String {
    let answers = seen.count(HEADERS);
    match seen.goaway {
        Some(code) => format!("{answers} answers, GOAWAY {code:#x}"),
        None => format!("{answers} answers, closed"),
    }
}

/// Some connections that each greet and send the same; the gateway has to end them.
async fn ended_by_gateway(address: SocketAddr, bytes: Vec<u8>) -> Vec<Seen> {
    let one = async || {
        let mut raw = Raw::plain(address).await;
        raw.send(&bytes).await;
        raw.until_closed().await
    };
    join_all((0..8).map(|_| one())).await
}

/// The same where the gateway may bear it.
async fn borne(address: SocketAddr, settings: &[u8], bytes: Vec<u8>) -> Vec<Seen> {
    let one = async || {
        let mut raw = Raw::greet(address, settings).await;
        raw.send(&bytes).await;
        raw.until(WHILE).await
    };
    join_all((0..8).map(|_| one())).await
}

fn told(seen: &[Seen]) -> String {
    end(&seen[0])
}

/// GOAWAY may be lost where the gateway closed before all that was sent was read.
fn calmed(seen: &[Seen]) -> String {
    assert!(seen.iter().all(|seen| seen.goaway.is_none_or(|code| code == CALM)), "{seen:#?}");
    told(seen)
}

pub async fn rapid_reset(address: SocketAddr, _: Rng) -> String {
    let flood = (0..10_000).flat_map(|n| [begin(id(n), ACKNOWLEDGE), rst(id(n))].concat());
    calmed(&ended_by_gateway(address, flood.collect()).await)
}

pub async fn made_you_reset(address: SocketAddr, _: Rng) -> String {
    let flood =
        (0..5_000).flat_map(|n| [begin(id(n), ACKNOWLEDGE), window_update(id(n), 0x7fff_ffff)].concat());
    calmed(&ended_by_gateway(address, flood.collect()).await)
}

pub async fn settings_flood(address: SocketAddr, _: Rng) -> String {
    told(
        &borne(
            address,
            &frame(SETTINGS, 0, 0, &[]),
            frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(20_000),
        )
        .await,
    )
}

pub async fn ping_flood(address: SocketAddr, _: Rng) -> String {
    told(&borne(address, &frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, b"12345678").repeat(20_000)).await)
}

/// Asks without end and reads nothing: what the gateway would have to say must not pile up.
pub async fn never_reads(address: SocketAddr, _: Rng) -> String {
    let ping = frame(PING, 0, 0, b"12345678").repeat(1_000);
    let one = async || {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        let (mut sent, mut stream) = (0, 0);
        let flood = async {
            loop {
                let calls = (stream..stream + 20).flat_map(|n| call(id(n), CHECK));
                let bytes = [ping.clone(), calls.collect()].concat();
                stream += 20;
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
                sent += bytes.len();
            }
        };
        // It stops being taken at some time.
        let _ = tokio::time::timeout(WHILE, flood).await;
        sent
    };
    let sent: usize = join_all((0..8).map(|_| one())).await.into_iter().sum();
    format!("{} KiB taken", sent / 1024)
}

pub async fn window_overflow(address: SocketAddr, _: Rng) -> String {
    told(&ended_by_gateway(address, window_update(0, 0x7fff_ffff).repeat(2)).await)
}

pub async fn giant_headers(address: SocketAddr, _: Rng) -> String {
    let mut giant = block(ACKNOWLEDGE);
    giant.extend(field("x-giant", &"a".repeat(1 << 20)));
    told(&borne(address, &frame(SETTINGS, 0, 0, &[]), split(&giant, true)).await)
}

/// One field of 4 KiB in HPACK's table, and a reference to it in each byte: 64 MiB in 16 KiB.
pub async fn hpack_bomb(address: SocketAddr, _: Rng) -> String {
    let mut bomb = block(ACKNOWLEDGE);
    let mut entry = field("x", &"a".repeat(4_000));
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend(std::iter::repeat_n(0x80 | 0x3e, 16_000));
    told(&borne(address, &frame(SETTINGS, 0, 0, &[]), split(&bomb, true)).await)
}

/// A header block that never ends, CVE-2024-27316 and its kin.
pub async fn continuation_flood(address: SocketAddr, _: Rng) -> String {
    let mut flood = split(&block(ACKNOWLEDGE), false);
    flood.extend(frame(CONTINUATION, 0, 1, &field("x", &"a".repeat(1_000))).repeat(20_000));
    let full = told(&ended_by_gateway(address, flood).await);
    let empty = [split(&block(ACKNOWLEDGE), false), frame(CONTINUATION, 0, 1, &[]).repeat(50_000)].concat();
    format!("{full}; empty ones: {}", told(&ended_by_gateway(address, empty).await))
}

/// A header block in frames of the largest size, ended or not.
fn split(block: &[u8], ended: bool) -> Vec<u8> {
    let parts: Vec<_> = block.chunks(16 * 1024).collect();
    let mut frames = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        let flags = if ended && n + 1 == parts.len() { END_HEADERS } else { 0 };
        frames.extend(frame(kind, flags, 1, part));
    }
    frames
}

pub async fn garbage(address: SocketAddr, mut rng: Rng) -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(100_000).collect();
    let from_the_start = async || {
        let mut raw = Raw::connect(address).await;
        raw.send(&bytes).await;
        raw.until_closed().await
    };
    let greeted = ended_by_gateway(address, bytes.clone()).await;
    format!("{}; after a greeting: {}", end(&from_the_start().await), told(&greeted))
}

/// HTTP/1, and TLS where there is none.
pub async fn other_protocols(address: SocketAddr, _: Rng) -> String {
    let sent: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let mut starts = Vec::new();
    for bytes in sent {
        let mut raw = Raw::connect(address).await;
        raw.send(bytes).await;
        let seen = raw.until_closed().await;
        starts.push(String::from_utf8_lossy(&seen.start[..seen.start.len().min(12)]).into_owned());
    }
    format!("{starts:?}")
}

/// Content types, messages and prefixes that are wrong: each has its answer, and the connection goes on.
pub async fn malformed_calls(address: SocketAddr, mut rng: Rng) -> String {
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(500).collect();
    let bodies: Vec<Vec<u8>> = vec![
        message(&noise),
        [&[1_u8][..], &message(&noise)[1..]].concat(),
        [&[9_u8][..], &message(&noise)[1..]].concat(),
        [&[0_u8, 255, 255, 255, 255][..], &noise].concat(),
        [&[0_u8, 0, 1, 0, 1][..], &[7; 16 * 1024 - 5]].concat(),
        message(&noise).repeat(20),
        vec![0; 3],
        Vec::new(),
    ];
    let kinds = ["text/html", "application/grpc-web", "application/json", ""];
    let mut answers = 0;
    for path in [ACKNOWLEDGE, CHECK, WATCH, REFLECTION, "/no.such/Method"] {
        let mut raw = Raw::plain(address).await;
        let bodies = bodies.iter().map(|body| (block(path), body.as_slice()));
        let kinds = kinds.iter().map(|kind| {
            let fields = [(":method", "POST"), (":scheme", "http"), (":path", path), ("content-type", kind)];
            (fields.iter().flat_map(|(name, value)| field(name, value)).collect::<Vec<u8>>(), &[][..])
        });
        let mut count = 0;
        for (n, (block, body)) in (0..).zip(bodies.chain(kinds)) {
            let head = frame(HEADERS, END_HEADERS, id(n), &block);
            raw.send(&[head, frame(DATA, END_STREAM, id(n), body)].concat()).await;
            count += 1;
        }
        raw.until_answers(count).await;
        answers += raw.until(Duration::ZERO).await.count(HEADERS);
    }
    format!("{answers} answers")
}

/// Messages that stop in the middle: up to three quarters of what may be in flight (the rest is the well-behaved
/// caller's), and health checks, which have a limit of their own.
pub async fn half_messages(address: SocketAddr, _: Rng) -> String {
    let half = |stream, path| {
        let block = [block(path), field("grpc-timeout", "1S")].concat();
        let head = frame(HEADERS, END_HEADERS, stream, &block);
        [head, frame(DATA, 0, stream, &[0, 0, 1, 0, 0, 1, 2, 3])].concat()
    };
    let calls: Vec<u8> = (0..48).flat_map(|n| half(id(n), ACKNOWLEDGE)).collect();
    let checks: Vec<u8> = (0..180).flat_map(|n| half(id(n), CHECK)).collect();
    let one = async |bytes: &[u8], count| {
        let mut raw = Raw::plain(address).await;
        raw.send(bytes).await;
        raw.until_answers(count).await;
        raw.until(Duration::ZERO).await
    };
    let checked = async { join_all((0..8).map(|_| one(&checks, 180))).await };
    let (called, checked) = tokio::join!(one(&calls, 48), checked);
    format!("{} answers; health: {}", called.count(HEADERS), told(&checked))
}

/// Streams that last, and answers that are never taken.
pub async fn zero_window_readers(address: SocketAddr, _: Rng) -> String {
    let mut open = Vec::new();
    for path in [WATCH, REFLECTION, CHECK] {
        let flood: Vec<u8> = (0..180).flat_map(|n| call(id(n), path)).collect();
        for _ in 0..8 {
            let mut raw = Raw::greet(address, &zero_window()).await;
            raw.send(&flood).await;
            open.push(raw);
        }
    }
    sleep(WHILE).await;
    let seen = join_all(open.into_iter().map(|raw| raw.until(Duration::ZERO))).await;
    let data: usize = seen.iter().map(|seen| seen.count(DATA)).sum();
    assert_eq!(data, 0, "no window, no data");
    format!("{} answers begun", seen.iter().map(|seen| seen.count(HEADERS)).sum::<usize>())
}

/// Frames that cost little to send and something to keep.
pub async fn small_frames(address: SocketAddr, _: Rng) -> String {
    let plain = frame(SETTINGS, 0, 0, &[]);
    let open = begin(1, REFLECTION);
    let after_the_end = [call(1, CHECK), frame(DATA, 0, 1, b"more").repeat(20_000)].concat();
    let told_of = [
        ("data after the end", borne(address, &plain, after_the_end).await),
        (
            "empty DATA",
            borne(address, &plain, [open.clone(), frame(DATA, 0, 1, &[]).repeat(50_000)].concat()).await,
        ),
        (
            "tiny DATA",
            borne(address, &plain, [open.clone(), frame(DATA, 0, 1, &[0]).repeat(50_000)].concat()).await,
        ),
        ("PRIORITY", borne(address, &plain, frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 9]).repeat(50_000)).await),
        ("unknown", borne(address, &plain, frame(0x42, 0, 0, &[0; 64]).repeat(20_000)).await),
    ];
    told_of.map(|(name, seen)| format!("{name}: {}", told(&seen))).join("; ")
}

/// Sound traffic with bytes changed, dropped and doubled.
pub async fn mutated(address: SocketAddr, mut rng: Rng) -> String {
    let sound: Vec<u8> = (0..6)
        .flat_map(|n| call(id(n), [ACKNOWLEDGE, CHECK, WATCH, REFLECTION][n as usize % 4]))
        .chain(frame(PING, 0, 0, b"12345678"))
        .chain(window_update(0, 1000))
        .collect();
    let mut ended = 0;
    for _ in 0..30 {
        let mut batch = Vec::new();
        for _ in 0..20 {
            let mut bytes = sound.clone();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bytes.len());
                match rng.u8(..3) {
                    0 => bytes[at] = rng.u8(..),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, bytes[at]),
                }
            }
            batch.push(async move {
                let mut raw = Raw::plain(address).await;
                raw.send(&bytes).await;
                raw.until(Duration::from_millis(20)).await
            });
        }
        ended +=
            join_all(batch).await.iter().filter(|seen| seen.goaway.is_some_and(|code| code != 0)).count();
    }
    format!("600 connections, {ended} told to go away")
}
