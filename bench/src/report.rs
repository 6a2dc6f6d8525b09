//! The result of a run, as one line of JSON for `measure.py`.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest latency in nanoseconds: 10 minutes. Longer ones count as this.
const LONGEST: u64 = 600_000_000_000;

/// The latencies and failures of all callers.
pub struct Report {
    latencies: Histogram<u64>,
    failed: u64,
    first_failure: Option<String>,
}

impl Default for Report {
    fn default() -> Self {
        // Three significant digits are 0.1 %. Without a maximum, it records nothing above 2 ns.
        let latencies = Histogram::new_with_max(LONGEST, 3).expect("a bound and digits that it knows");
        Self { latencies, failed: 0, first_failure: None }
    }
}

impl Report {
    /// Notes a call.
    pub fn note(&mut self, took: Duration, result: Result<(), String>) {
        self.latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let Err(failure) = result {
            self.failed += 1;
            self.first_failure.get_or_insert(failure);
        }
    }

    /// The line. Times in microseconds.
    #[must_use]
    pub fn json(&self, took: Duration, cpu: Option<Duration>) -> Value {
        let calls = self.latencies.len();
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        let at = |quantile: f64| micros(self.latencies.value_at_quantile(quantile));
        #[expect(clippy::cast_precision_loss, reason = "fewer calls than 2^52")]
        let per_call = |time: Duration| time.as_secs_f64() * 1e6 / calls.max(1) as f64;
        json!({
            "calls": calls,
            "failed": self.failed,
            "first_failure": self.first_failure,
            "seconds": took.as_secs_f64(),
            "calls_per_second": 1e6 / per_call(took),
            "cpu_us_per_call": cpu.map(per_call),
            "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": micros(self.latencies.max()),
        })
    }
}
