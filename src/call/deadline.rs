//! Reads how long a call can take (`grpc-timeout`).

use std::time::Duration;

use http::HeaderMap;

/// How long a call can take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a caller that sends no deadline.
    pub default: Duration,
    /// The limit for a caller that sends a longer one.
    pub max: Duration,
}

/// The value of `grpc-timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// The header is missing.
    None,
    /// The caller waits this long.
    Of(Duration),
    /// The value isn't one of gRPC's.
    Malformed,
}

/// Reads `grpc-timeout`.
pub(super) fn timeout(headers: &HeaderMap) -> Timeout {
    match headers.get("grpc-timeout").map(|value| parse_grpc_timeout(value.as_bytes())) {
        None => Timeout::None,
        Some(Some(time)) => Timeout::Of(time),
        Some(None) => Timeout::Malformed,
    }
}

/// `grpc-timeout` by gRPC's "PROTOCOL-HTTP2": 1 to 8 digits and a unit.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// How long the gateway may take for a call with this timeout: a little less than the caller waits,
/// so that the response arrives in time. The margin is 5 %, at least 20 ms, at most 250 ms, and
/// never more than the timeout.
pub(super) fn without_margin(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 20).clamp(Duration::from_millis(20), Duration::from_millis(250)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_response_is_due_before_the_deadline() {
        let margin = |millis| {
            let timeout = Duration::from_millis(millis);
            timeout.saturating_sub(without_margin(timeout)).as_millis()
        };
        assert_eq!(margin(10), 10);
        assert_eq!(margin(100), 20);
        assert_eq!(margin(1_000), 50);
        assert_eq!(margin(60_000), 250);
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(parse_grpc_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse_grpc_timeout(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse_grpc_timeout(b"3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse_grpc_timeout(b"500m"), Some(Duration::from_millis(500)));
        assert_eq!(parse_grpc_timeout(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse_grpc_timeout(b"0n"), Some(Duration::ZERO));
        for malformed in ["", "S", "5", "123456789S", "1 S", "-1S", "+1S", "1s", "1.5S", "٣S"] {
            assert_eq!(parse_grpc_timeout(malformed.as_bytes()), None, "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn a_timeout_is_read_exactly_if_it_is_one(value in "[0-9]{0,10}[HMSmunx]?|\\PC{0,10}") {
            let bytes = value.as_bytes();
            let digits = bytes.len().saturating_sub(1);
            let is_one = (1..=8).contains(&digits)
                && bytes[..digits].iter().all(u8::is_ascii_digit)
                && b"HMSmun".contains(&bytes[digits]);
            prop_assert_eq!(parse_grpc_timeout(bytes).is_some(), is_one);
        }

        #[test]
        fn no_timeout_panics(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let max = Duration::from_secs(99_999_999 * 3600);
            prop_assert!(parse_grpc_timeout(&value).is_none_or(|time| time <= max));
        }
    }
}
