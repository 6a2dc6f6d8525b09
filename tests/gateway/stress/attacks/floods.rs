//! Floods of frames.

use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ATTACK_TIME, ended_by_gateway, expect_calm, summary, tolerated};
use crate::harness::http2::{PING, SETTINGS, begin, call, frame, full_preface, id, rst, window_update};
use crate::harness::{ACKNOWLEDGE, CHECK};

pub async fn rapid_reset(address: SocketAddr) -> String {
    let flood = (0..10_000).flat_map(|n| [begin(id(n), ACKNOWLEDGE), rst(id(n))].concat());
    expect_calm(&ended_by_gateway(address, flood.collect()).await)
}

pub async fn made_you_reset(address: SocketAddr) -> String {
    let flood =
        (0..5_000).flat_map(|n| [begin(id(n), ACKNOWLEDGE), window_update(id(n), 0x7fff_ffff)].concat());
    expect_calm(&ended_by_gateway(address, flood.collect()).await)
}

pub async fn settings_flood(address: SocketAddr) -> String {
    let flood = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(20_000);
    summary(&tolerated(address, flood).await)
}

pub async fn ping_flood(address: SocketAddr) -> String {
    summary(&tolerated(address, frame(PING, 0, 0, b"12345678").repeat(20_000)).await)
}

/// Sends without end and reads nothing. The gateway must not queue its responses without a limit.
pub async fn never_reads(address: SocketAddr) -> String {
    let ping = frame(PING, 0, 0, b"12345678").repeat(1_000);
    let one = async || {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&full_preface()).await.unwrap();
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
        // The gateway stops reading at some point.
        let _ = timeout(ATTACK_TIME, flood).await;
        sent
    };
    let sent: usize = join_all((0..8).map(|_| one())).await.into_iter().sum();
    format!("{} KiB read", sent / 1024)
}

pub async fn window_overflow(address: SocketAddr) -> String {
    summary(&ended_by_gateway(address, window_update(0, 0x7fff_ffff).repeat(2)).await)
}
