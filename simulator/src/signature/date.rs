//! The dates of signatures and of the errors for them.

use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Reads a date in the basic format of ISO 8601, as in `X-Amz-Date`.
pub(crate) fn parse_basic(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    Some(PrimitiveDateTime::parse(text, format).ok()?.assume_utc())
}

/// The time in the basic format of ISO 8601.
pub(super) fn basic(time: OffsetDateTime) -> String {
    extended(time).replace(['-', ':'], "")
}

/// The time in the extended format of ISO 8601, to the second.
pub(crate) fn extended(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}
