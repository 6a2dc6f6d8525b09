//! Connections that only wait: more of them than the limit, and TLS handshakes that never finish.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::victim::MAX_CONNECTIONS;
use super::vitals::Metrics;
use crate::harness::http2::{Raw, full_preface};
use crate::harness::{PATIENCE, until};

/// Opens more connections than the limit; the gateway closes the excess. Half of the others send
/// the preface.
pub async fn idle_connections(address: SocketAddr, admin: SocketAddr) -> String {
    let preface = full_preface();
    let mut open = Vec::new();
    for n in 0..MAX_CONNECTIONS + 500 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            // The connection might be closed.
            let _ = socket.write_all(&preface).await;
        }
        open.push(socket);
    }
    let value =
        async |name: &'static str| Metrics::of(admin).await.value(&format!("codepipeline_gateway_{name}"));
    let refused = until(
        "refused connections",
        PATIENCE,
        async || value("connections_refused_total").await,
        |n| *n >= 500.0,
    )
    .await;
    // The gateway closes the connections without a preface at their time limit. Then there is room
    // again.
    let has_room = |n: &f64| *n < MAX_CONNECTIONS as f64 * 0.6;
    until("silent connections", PATIENCE, async || value("connections").await, has_room).await;
    Raw::plain(address).await.until(Duration::from_millis(100)).await;
    drop(open);
    format!("{refused} refused immediately, the silent ones after 10 s")
}

/// Sends the start of a ClientHello with 512 bytes, and then nothing or one byte per second.
pub async fn slow_handshakes(address: SocketAddr) -> String {
    let start_time = Instant::now();
    let one = async |n: usize| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let start = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        socket.write_all(&start[..n % start.len()]).await.unwrap();
        let mut byte = [0];
        loop {
            tokio::select! {
                read = socket.read(&mut byte) => if matches!(read, Err(_) | Ok(0)) { return },
                () = sleep(Duration::from_secs(1)) => if socket.write_all(&[0]).await.is_err() { return },
            }
        }
    };
    join_all((0..500).map(one)).await;
    format!("500 ended after {:.0} s", start_time.elapsed().as_secs_f64())
}

/// Sends nearly a whole ClientHello of 64 KiB over each of the connections that there can be, and
/// then nothing. The gateway buffers them until the time limit of a handshake.
pub async fn large_handshakes(address: SocketAddr) -> String {
    let mut hello = vec![0x01, 0x00, 0xff, 0xf0, 0x03, 0x03];
    hello.resize(60 * 1024, 0);
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&b"\x16\x03\x01"[..], &length, part].concat()
    };
    let bytes: Vec<u8> = hello.chunks(16 * 1024).flat_map(record).collect();
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS - 500 {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    let one = async |mut socket: TcpStream| {
        socket.write_all(&bytes).await.unwrap();
        // The gateway can reset it, because the rest of the message is missing.
        let _ = socket.read(&mut [0]).await;
    };
    let count = join_all(open.into_iter().map(one)).await.len();
    format!("{count} ended")
}
