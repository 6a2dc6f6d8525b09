//! The attacks of hostile clients, each with a limited count. Each returns a summary of its end.

mod floods;
mod headers;
mod malformed;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

pub use self::malformed::garbage;
use crate::harness::http2::{CALM, HEADERS, Raw, Seen};

pub type Attack = (&'static str, fn(SocketAddr, Rng) -> BoxFuture<'static, String>);

/// The attacks, in the order of their execution.
pub const ATTACKS: [Attack; 16] = [
    ("rapid reset", |a, _| floods::rapid_reset(a).boxed()),
    ("made you reset", |a, _| floods::made_you_reset(a).boxed()),
    ("SETTINGS flood", |a, _| floods::settings_flood(a).boxed()),
    ("PING flood", |a, _| floods::ping_flood(a).boxed()),
    ("never reads", |a, _| floods::never_reads(a).boxed()),
    ("window overflow", |a, _| floods::window_overflow(a).boxed()),
    ("giant headers", |a, _| headers::giant_headers(a).boxed()),
    ("HPACK bomb", |a, _| headers::hpack_bomb(a).boxed()),
    ("CONTINUATION flood", |a, _| headers::continuation_flood(a).boxed()),
    ("garbage", |a, r| malformed::garbage(a, r).boxed()),
    ("other protocols", |a, _| malformed::other_protocols(a).boxed()),
    ("malformed calls", |a, r| malformed::malformed_calls(a, r).boxed()),
    ("half messages", |a, _| streams::half_messages(a).boxed()),
    ("zero-window readers", |a, _| streams::zero_window_readers(a).boxed()),
    ("small frames", |a, _| streams::small_frames(a).boxed()),
    ("mutated frames", |a, r| malformed::mutated(a, r).boxed()),
];

/// The duration of an attack that the gateway tolerates. It is long enough to send everything
/// several times.
const ATTACK_TIME: Duration = Duration::from_secs(1);

/// The end of a connection.
fn end(seen: &Seen) -> String {
    let responses = seen.count(HEADERS);
    match seen.goaway {
        Some(code) => format!("{responses} responses, GOAWAY {code:#x}"),
        None => format!("{responses} responses, closed"),
    }
}

/// Sends the same bytes over several connections. The gateway must close them.
async fn ended_by_gateway(address: SocketAddr, bytes: Vec<u8>) -> Vec<Seen> {
    let one = async || {
        let mut raw = Raw::plain(address).await;
        raw.send(&bytes).await;
        raw.until_closed().await
    };
    join_all((0..8).map(|_| one())).await
}

/// Sends the same bytes over several connections. The gateway can tolerate them.
async fn tolerated(address: SocketAddr, bytes: Vec<u8>) -> Vec<Seen> {
    let one = async || {
        let mut raw = Raw::plain(address).await;
        raw.send(&bytes).await;
        raw.until(ATTACK_TIME).await
    };
    join_all((0..8).map(|_| one())).await
}

/// A summary of the connections.
fn summary(seen: &[Seen]) -> String {
    end(&seen[0])
}

/// Asserts that GOAWAY had the code ENHANCE_YOUR_CALM. It can be lost if the gateway closed with
/// unread bytes.
fn expect_calm(seen: &[Seen]) -> String {
    assert!(seen.iter().all(|seen| seen.goaway.is_none_or(|code| code == CALM)), "{seen:#?}");
    summary(seen)
}
