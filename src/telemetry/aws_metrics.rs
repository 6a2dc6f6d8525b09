//! The metrics of attempts at AWS, by operation.

use std::ptr;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::Labels;
use crate::error::Outcome;
use crate::methods::Method;

/// How one attempt at AWS ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptResult {
    /// AWS accepted the call.
    Accepted,
    /// The attempt failed, with this outcome.
    Failed(Outcome),
    /// The call ended before the attempt did, for example at its deadline or because the caller
    /// disconnected.
    Abandoned,
}

impl AttemptResult {
    const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Failed(Outcome::Rejected),
        Self::Failed(Outcome::NotSent),
        Self::Failed(Outcome::Unknown),
        Self::Abandoned,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ok",
            Self::Failed(outcome) => outcome.as_str(),
            Self::Abandoned => "abandoned",
        }
    }
}

pub(super) struct AwsMetrics {
    attempts: Family<Labels<3>, Counter>,
    seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    /// The series of nearly all attempts. A lookup by labels would hash about a hundred bytes.
    operations: Vec<OperationSeries>,
}

struct OperationSeries {
    method: &'static Method,
    accepted: Counter,
    seconds: Histogram,
}

impl AwsMetrics {
    pub(super) fn new(histogram: fn() -> Histogram) -> Self {
        let attempts = Family::<Labels<3>, Counter>::default();
        let seconds = Family::new_with_constructor(histogram);
        let operations = Method::operations().map(|method| {
            for result in AttemptResult::ALL {
                drop(attempts.get_or_create(&labels(method, result, "")));
            }
            OperationSeries {
                method,
                accepted: attempts.get_or_create_owned(&labels(method, AttemptResult::Accepted, "")),
                seconds: seconds.get_or_create_owned(&[("operation", method.name)]),
            }
        });
        Self { operations: operations.collect(), attempts, seconds }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Attempts at AWS, by operation and result";
        registry.register("aws_attempts", help, self.attempts.clone());
        registry.register("aws_attempt_seconds", "Duration of attempts at AWS", self.seconds.clone());
    }

    pub(super) fn attempt_ended(
        &self,
        method: &'static Method,
        result: AttemptResult,
        aws_error_code: &'static str,
        took: Duration,
    ) {
        let Some(series) = self.operations.iter().find(|series| ptr::eq(series.method, method)) else {
            return;
        };
        series.seconds.observe(took.as_secs_f64());
        match result {
            AttemptResult::Accepted => series.accepted.inc(),
            _ => self.attempts.get_or_create(&labels(method, result, aws_error_code)).inc(),
        };
    }
}

const fn labels(method: &Method, result: AttemptResult, aws_error_code: &'static str) -> Labels<3> {
    [("operation", method.name), ("result", result.as_str()), ("aws_error_code", aws_error_code)]
}
