//! Header blocks that are too large or never end.

use std::net::SocketAddr;

use super::{ended_by_gateway, summary, tolerated};
use crate::harness::ACKNOWLEDGE;
use crate::harness::http2::{CONTINUATION, END_HEADERS, HEADERS, block, field, frame};

pub async fn giant_headers(address: SocketAddr) -> String {
    let mut giant = block(ACKNOWLEDGE);
    giant.extend(field("x-giant", &"a".repeat(1 << 20)));
    summary(&tolerated(address, split(&giant, true)).await)
}

/// A field of 4 KiB in the HPACK table, and 16 KiB of references to it: together 64 MiB.
pub async fn hpack_bomb(address: SocketAddr) -> String {
    let mut bomb = block(ACKNOWLEDGE);
    let mut entry = field("x", &"a".repeat(4_000));
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend(std::iter::repeat_n(0x80 | 0x3e, 16_000));
    summary(&tolerated(address, split(&bomb, true)).await)
}

/// A header block that never ends (CVE-2024-27316).
pub async fn continuation_flood(address: SocketAddr) -> String {
    let mut flood = split(&block(ACKNOWLEDGE), false);
    flood.extend(frame(CONTINUATION, 0, 1, &field("x", &"a".repeat(1_000))).repeat(20_000));
    let full = summary(&ended_by_gateway(address, flood).await);
    let empty = [split(&block(ACKNOWLEDGE), false), frame(CONTINUATION, 0, 1, &[]).repeat(50_000)].concat();
    format!("{full}; empty ones: {}", summary(&ended_by_gateway(address, empty).await))
}

/// A header block in frames of the maximum size, with or without an end.
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
