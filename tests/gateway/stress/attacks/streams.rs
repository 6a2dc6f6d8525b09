//! Streams that hold resources: incomplete messages, unread responses, small frames.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{ATTACK_TIME, summary, tolerated};
use crate::harness::grpc::{REFLECTION, WATCH};
use crate::harness::http2::{
    DATA, END_HEADERS, HEADERS, PRIORITY, Raw, begin, block, call, field, frame, id, zero_window,
};
use crate::harness::{ACKNOWLEDGE, CHECK};

/// Incomplete messages: calls up to three quarters of the limit, because the valid caller needs the
/// rest, and health checks, which have a limit of their own.
pub async fn half_messages(address: SocketAddr) -> String {
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
        raw.until_responses(count).await;
        raw.until(Duration::ZERO).await
    };
    let checked = async { join_all((0..8).map(|_| one(&checks, 180))).await };
    let (called, checked) = tokio::join!(one(&calls, 48), checked);
    format!("{} responses; health: {}", called.count(HEADERS), summary(&checked))
}

/// Long-lived streams, and responses that the client never reads.
pub async fn zero_window_readers(address: SocketAddr) -> String {
    let mut open = Vec::new();
    for path in [WATCH, REFLECTION, CHECK] {
        let flood: Vec<u8> = (0..180).flat_map(|n| call(id(n), path)).collect();
        for _ in 0..8 {
            let mut raw = Raw::with_settings(address, &zero_window()).await;
            raw.send(&flood).await;
            open.push(raw);
        }
    }
    sleep(ATTACK_TIME).await;
    let seen = join_all(open.into_iter().map(|raw| raw.until(Duration::ZERO))).await;
    let data: usize = seen.iter().map(|seen| seen.count(DATA)).sum();
    assert_eq!(data, 0, "no window, no data");
    format!("{} responses started", seen.iter().map(|seen| seen.count(HEADERS)).sum::<usize>())
}

/// Frames that cost little to send and some memory to keep.
pub async fn small_frames(address: SocketAddr) -> String {
    let after_open = |part: Vec<u8>| [begin(1, REFLECTION), part.repeat(50_000)].concat();
    let after_the_end = [call(1, CHECK), frame(DATA, 0, 1, b"more").repeat(20_000)].concat();
    let mut summaries = Vec::new();
    for (name, bytes) in [
        ("data after the end", after_the_end),
        ("empty DATA", after_open(frame(DATA, 0, 1, &[]))),
        ("tiny DATA", after_open(frame(DATA, 0, 1, &[0]))),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 9]).repeat(50_000)),
        ("unknown", frame(0x42, 0, 0, &[0; 64]).repeat(20_000)),
    ] {
        summaries.push(format!("{name}: {}", summary(&tolerated(address, bytes).await)));
    }
    summaries.join("; ")
}
