//! The ends of all calls of the fault test, compared with the metrics and the log.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use codepipeline_gateway::error::{Outcome, Outcomes, Reason};
use codepipeline_gateway::methods::{Idempotency, Method};
use serde_json::Value;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use super::vitals::Metrics;

/// The values of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// The values of the job.
    Correct,
    /// Values that the gateway or AWS must reject.
    Wrong,
}

/// The end of a call, as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Ok,
    Rejected(Reason, Outcome, Code),
    /// The deadline in the caller's library: on a busy machine a response can come too late.
    TimeUp,
    /// The caller's library didn't connect, or sent the call after GOAWAY. hyper's client fails
    /// such a call (hyperium/hyper#2500), and other libraries open a new connection.
    NotSent,
    Canceled,
}

/// A call. The calls about a job are in their order.
#[derive(Clone, Debug)]
pub struct Entry {
    pub request_id: String,
    pub method: &'static Method,
    /// The number of the caller.
    pub caller: usize,
    /// The job. A poll has the job that it returned, if any.
    pub job: String,
    pub values: Values,
    pub end: End,
    /// Whether it is a poll that waited for a job.
    pub waited: bool,
}

impl End {
    /// Reads an error, and checks that it matches its row of the table. The caller's library has
    /// errors of its own.
    pub fn of(status: &Status, method: &Method, has_deadline: bool) -> Self {
        let details = status.check_error_details().expect("readable details");
        let Some(info) = details.error_info() else {
            return match (status.code(), status.message()) {
                (Code::Cancelled, "Timeout expired") if has_deadline => Self::TimeUp,
                (Code::Cancelled, "operation was canceled") => Self::NotSent,
                (Code::Unknown, "transport error") if is_goaway(status) => Self::NotSent,
                _ if has_no_connection(status) => Self::NotSent,
                _ => panic!("an unexpected error: {status:?}"),
            };
        };
        let row = Reason::ALL.iter().find(|reason| reason.name() == info.reason);
        let reason = *row.unwrap_or_else(|| panic!("no row: {status:?}"));
        let all = [Outcome::NotSent, Outcome::Rejected, Outcome::Unknown];
        let outcome =
            *all.iter().find(|outcome| outcome.as_str() == info.metadata["outcome"]).expect("an outcome");
        assert_eq!(info.domain, "codepipeline-gateway");
        assert!([Outcomes::Observed, Outcomes::Always(outcome)].contains(&reason.outcomes()), "{status:?}");
        assert!(reason.methods().contains(&method), "{} can't have {status:?}", method.name);
        assert_eq!(status.code(), reason.code(outcome, method), "{status:?}");
        assert_eq!(details.retry_info().is_some(), reason.has_retry_info(method), "{status:?}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap());
        let is_risky = outcome == Outcome::Unknown && method.idempotency == Idempotency::None;
        assert_eq!(pushback, is_risky.then_some("-1"), "{status:?}");
        let is_retried = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        assert!(!(is_retried && is_risky), "{status:?}");
        Self::Rejected(reason, outcome, status.code())
    }

    /// Whether the call might have had an effect without a response.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Rejected(_, Outcome::Unknown, _) | Self::TimeUp | Self::Canceled)
    }

    /// Whether the call ended with this reason.
    pub fn is_for(&self, reason: Reason) -> bool {
        matches!(self, Self::Rejected(one, ..) if *one == reason)
    }

    fn name(&self) -> String {
        match self {
            Self::Ok => "OK".into(),
            Self::Rejected(reason, outcome, code) => {
                format!("{code:?} {} {}", reason.name(), outcome.as_str())
            }
            Self::TimeUp => "(deadline in the caller's library)".into(),
            Self::NotSent => "(not sent: GOAWAY or no connection)".into(),
            Self::Canceled => "(canceled by the caller)".into(),
        }
    }
}

/// The chain of an error's causes.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |cause| (**cause).source())
}

/// Whether the caller's library failed to connect.
fn has_no_connection(status: &Status) -> bool {
    causes(status).any(<dyn Error>::is::<ConnectError>)
}

/// Whether the root cause is h2's error for a graceful GOAWAY. h2 has it only for unprocessed
/// streams.
fn is_goaway(status: &Status) -> bool {
    causes(status)
        .last()
        .is_some_and(|last| last.to_string() == "connection error received: not a result of an error")
}

/// The calls of a test.
#[derive(Debug, Default)]
pub struct Ledger(pub Vec<Entry>);

impl Ledger {
    /// Prints the count of each end of each operation.
    pub fn print(&self) {
        let mut counts = BTreeMap::<(&str, String), usize>::new();
        for entry in &self.0 {
            *counts.entry((entry.method.short_name, entry.end.name())).or_default() += 1;
        }
        for ((operation, name), count) in counts {
            println!("  {count:>6}  {operation:<11}  {name}");
        }
    }

    /// The number of calls of a method, or of all methods, with such an end.
    pub fn count(&self, method: Option<&Method>, is_one: impl Fn(&End) -> bool) -> usize {
        let of_method = |entry: &&Entry| method.is_none_or(|one| entry.method == one);
        self.0.iter().filter(of_method).filter(|entry| is_one(&entry.end)).count()
    }

    /// Asserts that the metrics match the callers' counts, up to the calls whose end only one side
    /// knows.
    pub fn agrees_with_metrics(&self, metrics: &Metrics) {
        let is_unsure = |end: &End| matches!(end, End::Canceled | End::TimeUp);
        let between = |what: &str, reported: usize, unsure: usize, counted: f64| {
            let (least, most) = (reported as f64, (reported + unsure) as f64);
            assert!((least..=most).contains(&counted), "{what}: {counted} isn't in {least}..={most}");
        };
        for method in Method::operations() {
            let label = format!("grpc_method=\"{}\"", method.name);
            let sum = |name: &str, code: &[&str]| metrics.sum(name, &[&[label.as_str()], code].concat());
            let unsure = self.count(Some(method), is_unsure);
            let completed = self.count(Some(method), |end| !is_unsure(end) && *end != End::NotSent);
            between("started", completed, unsure, sum("grpc_server_started_total", &[]));
            between("handled", completed, unsure, sum("grpc_server_handled_total", &[]));
            let ok = self.count(Some(method), |end| *end == End::Ok);
            between("OK", ok, unsure, sum("grpc_server_handled_total", &["grpc_code=\"OK\""]));
        }
        let unsure = self.count(None, is_unsure);
        for reason in Reason::ALL {
            let reported = self.count(None, |end| end.is_for(*reason));
            let label = format!("reason=\"{}\"", reason.name());
            let counted = metrics.sum("codepipeline_gateway_errors_total", &[&label]);
            between(reason.name(), reported, unsure, counted);
        }
    }

    /// Asserts that each call has one log line with the caller's result.
    pub fn agrees_with_log(&self, log: &[String]) {
        let mut lines = HashMap::<String, Vec<Value>>::new();
        for line in log {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if line["message"] == "call"
                && let Some(id) = line["request_id"].as_str()
            {
                lines.entry(id.to_owned()).or_default().push(line);
            }
        }
        for entry in &self.0 {
            let found = lines.get(&entry.request_id).map(Vec::as_slice).unwrap_or_default();
            let reported = match entry.end {
                End::Ok => (None, None),
                End::Rejected(reason, outcome, _) => (Some(reason.name()), Some(outcome.as_str())),
                End::TimeUp | End::Canceled if found.len() <= 1 => continue,
                End::NotSent if found.is_empty() => continue,
                End::TimeUp | End::Canceled | End::NotSent => {
                    panic!("too many lines for {entry:?}: {found:#?}")
                }
            };
            let [line] = found else { panic!("not one line for {entry:?}: {found:#?}") };
            assert_eq!((line["reason"].as_str(), line["outcome"].as_str()), reported, "{line}");
        }
    }
}
