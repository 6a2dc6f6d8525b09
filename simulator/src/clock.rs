//! The simulator's own clock, which tests can move. Response dates, signature checks, and the times
//! of jobs and artifact credentials depend on it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// Ten years, which keeps every date within the formats of HTTP and `SigV4`.
const MAX_SHIFT_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_ms: AtomicI64,
    date_omitted: AtomicBool,
}

impl Clock {
    pub(crate) fn shift(&self, seconds: i64) {
        self.shift_ms.store(clamp(seconds.saturating_mul(1000)), Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(MAX_SHIFT_MS);
        let moved = |shift: i64| Some(clamp(shift.saturating_add(by)));
        // The closure always returns a value, so the update can't fail.
        let _ = self.shift_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    pub(crate) fn omit_date(&self, omit: bool) {
        self.date_omitted.store(omit, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.system_time().into()
    }

    /// The value of the `Date` header, unless the header is switched off.
    pub(crate) fn date_header(&self) -> Option<String> {
        let omitted = self.date_omitted.load(Ordering::Relaxed);
        (!omitted).then(|| httpdate::fmt_http_date(self.system_time()))
    }

    fn system_time(&self) -> SystemTime {
        let shift = self.shift_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(shift.unsigned_abs());
        if shift < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}

fn clamp(shift_ms: i64) -> i64 {
    shift_ms.clamp(-MAX_SHIFT_MS, MAX_SHIFT_MS)
}
