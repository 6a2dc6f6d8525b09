//! Bytes that aren't HTTP/2, and calls that aren't gRPC.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;

use super::{end, ended_by_gateway, summary};
use crate::harness::grpc::{REFLECTION, WATCH};
use crate::harness::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, Raw, block, call, field, frame, id, message, window_update,
};
use crate::harness::{ACKNOWLEDGE, CHECK};

pub async fn garbage(address: SocketAddr, mut rng: Rng) -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(100_000).collect();
    let from_the_start = async || {
        let mut raw = Raw::connect(address).await;
        raw.send(&bytes).await;
        raw.until_closed().await
    };
    let after_preface = ended_by_gateway(address, bytes.clone()).await;
    format!("{}; after a preface: {}", end(&from_the_start().await), summary(&after_preface))
}

/// HTTP/1, and TLS on a port without it.
pub async fn other_protocols(address: SocketAddr) -> String {
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

/// Wrong content types, messages, and prefixes. Each gets a response, and the connection stays
/// open.
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
    let mut responses = 0;
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
        raw.until_responses(count).await;
        responses += raw.until(Duration::ZERO).await.count(HEADERS);
    }
    format!("{responses} responses")
}

/// Valid traffic with changed, removed, and doubled bytes.
pub async fn mutated(address: SocketAddr, mut rng: Rng) -> String {
    let valid: Vec<u8> = (0..6)
        .flat_map(|n| call(id(n), [ACKNOWLEDGE, CHECK, WATCH, REFLECTION][n as usize % 4]))
        .chain(frame(PING, 0, 0, b"12345678"))
        .chain(window_update(0, 1000))
        .collect();
    let mut ended = 0;
    for _ in 0..30 {
        let mut batch = Vec::new();
        for _ in 0..20 {
            let mut bytes = valid.clone();
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
    format!("600 connections, {ended} with an error in GOAWAY")
}
