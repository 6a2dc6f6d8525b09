//! What a time or a number on the command line may be.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Longer times overflow the clock, and are nobody's intent.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where to listen. Names are for callers: one may have several addresses.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address looks like 127.0.0.1:50051 or [::]:50051".into())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > LONGEST => Err("it must be at most a year".into()),
        parsed => parsed.map_err(|_| "a time looks like 500ms, 10s or 5m".into()),
    }
}

pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        time => Ok(time),
    }
}

pub(super) fn at_least_one<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "it must be a whole number, at least 1".into())
}
