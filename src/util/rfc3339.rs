//! Formats dates for people. The dates come from outside and can have any value: `humantime` panics
//! before 1970 and after 9999.

use std::time::{Duration, SystemTime};

const LAST: Duration = Duration::from_secs(253_402_300_799);
const ODD: &str = "a date before 1970 or after 9999";

/// In RFC 3339, UTC, to the second.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    // Go's zero time, which some providers send for "never", is in the year 1.
    if (SystemTime::UNIX_EPOCH..=SystemTime::UNIX_EPOCH + LAST).contains(&at) {
        humantime::format_rfc3339_seconds(at).to_string()
    } else {
        ODD.into()
    }
}

/// The same for seconds since the epoch.
pub(crate) fn rfc3339_of(seconds: i64) -> String {
    let since = u64::try_from(seconds).ok().map(Duration::from_secs).filter(|since| *since <= LAST);
    since.map_or_else(|| ODD.into(), |since| rfc3339(SystemTime::UNIX_EPOCH + since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_out_of_range_is_described() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(rfc3339(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(at(253_402_300_799)), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(at(253_402_300_800)), ODD);
        assert_eq!(rfc3339(at(0) - Duration::from_secs(1)), ODD);
        assert_eq!(rfc3339_of(1_800_000_000), "2027-01-15T08:00:00Z");
        assert_eq!((rfc3339_of(-1).as_str(), rfc3339_of(i64::MAX).as_str()), (ODD, ODD));
    }
}
