//! The simulator's own clock, which tests can shift. It dates the responses and checks the
//! signatures.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// Ten years, which keeps every date within the formats of HTTP and `SigV4`.
const MAX_SHIFT: i64 = 10 * 365 * 24 * 60 * 60;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_seconds: AtomicI64,
    date_omitted: AtomicBool,
}

impl Clock {
    pub(crate) fn shift(&self, seconds: i64) {
        self.shift_seconds.store(seconds.clamp(-MAX_SHIFT, MAX_SHIFT), Ordering::Relaxed);
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
        let shift = self.shift_seconds.load(Ordering::Relaxed);
        let by = Duration::from_secs(shift.unsigned_abs());
        if shift < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}
