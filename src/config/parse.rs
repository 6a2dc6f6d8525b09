//! Parses the addresses, times, and numbers of the command line.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The longest time. A longer one would overflow the clock, and is a mistake.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Parses the address of a listener. A host name isn't valid, because it can have several
/// addresses.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "use an address such as 127.0.0.1:50051 or [::]:50051".into())
}

/// Parses a time, which can be zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > LONGEST => Err("must be at most a year".into()),
        parsed => parsed.map_err(|_| "use a time such as 500ms, 10s or 5m".into()),
    }
}

/// Parses a time that is longer than zero.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be greater than 0s".into()),
        time => Ok(time),
    }
}

/// Parses a time of at least a second.
pub(super) fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < Duration::from_secs(1) { Err("must be at least 1s".into()) } else { Ok(time) }
}

/// Parses a whole number from 1.
pub(super) fn at_least_one<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "must be a whole number of at least 1".into())
}
