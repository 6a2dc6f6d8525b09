//! The ends of all calls of the fault test, compared with the simulator, the metrics, and the log.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use codepipeline_gateway::error::{Outcome, Outcomes, Reason};
use codepipeline_gateway::methods::ACKNOWLEDGE;
use codepipeline_simulator::Simulator;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::vitals::Metrics;

/// The values of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// The three values of the job.
    Correct,
    /// Values that the gateway or AWS must reject.
    Wrong,
}

/// The end of a call, as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Acknowledged,
    Rejected(Reason, Outcome, Code),
    /// The deadline in the caller's library: on a busy machine a response can come too late.
    TimeUp,
    /// The caller's library didn't send the call, or sent it after GOAWAY. hyper's client fails
    /// such a call (hyperium/hyper#2500), and other libraries open a new connection.
    NotSent,
    Canceled,
}

/// A call. The calls about a job are in their order.
#[derive(Clone, Debug)]
pub struct Entry {
    pub request_id: String,
    pub job: String,
    pub values: Values,
    pub end: End,
}

impl End {
    /// Reads an error, and checks that it matches its row of the table. The caller's library has
    /// errors of its own.
    pub fn of(status: &Status, has_deadline: bool) -> Self {
        let details = status.check_error_details().expect("readable details");
        let Some(info) = details.error_info() else {
            return match (status.code(), status.message()) {
                (Code::Cancelled, "Timeout expired") if has_deadline => Self::TimeUp,
                (Code::Cancelled, "operation was canceled") => Self::NotSent,
                (Code::Unknown, "transport error") if is_goaway(status) => Self::NotSent,
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
        assert_eq!(status.code(), reason.code(outcome, &ACKNOWLEDGE), "{status:?}");
        assert_eq!(details.retry_info().is_some(), reason.has_retry_info(&ACKNOWLEDGE), "{status:?}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap());
        assert_eq!(pushback, (outcome == Outcome::Unknown).then_some("-1"), "{status:?}");
        let repeated = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        assert!(!(repeated && outcome == Outcome::Unknown), "{status:?}");
        Self::Rejected(reason, outcome, status.code())
    }

    /// Whether the call might have acknowledged its job without a response.
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Rejected(_, Outcome::Unknown, _) | Self::TimeUp | Self::Canceled)
    }

    fn name(&self) -> String {
        match self {
            Self::Acknowledged => "OK".into(),
            Self::Rejected(reason, outcome, code) => {
                format!("{code:?} {} {}", reason.name(), outcome.as_str())
            }
            Self::TimeUp => "(deadline in the caller's library)".into(),
            Self::NotSent => "(not sent after GOAWAY)".into(),
            Self::Canceled => "(canceled by the caller)".into(),
        }
    }
}

/// Whether the root cause is h2's error for a graceful GOAWAY. h2 has it only for unprocessed
/// streams.
fn is_goaway(status: &Status) -> bool {
    let causes = std::iter::successors(status.source(), |cause: &&dyn Error| (*cause).source());
    causes
        .last()
        .is_some_and(|last| last.to_string() == "connection error received: not a result of an error")
}

/// The calls of a test.
#[derive(Debug, Default)]
pub struct Ledger(pub Vec<Entry>);

impl Ledger {
    /// Prints the count of each end.
    pub fn print(&self) {
        let mut counts = BTreeMap::<String, usize>::new();
        for entry in &self.0 {
            *counts.entry(entry.end.name()).or_default() += 1;
        }
        for (name, count) in counts {
            println!("  {count:>6}  {name}");
        }
    }

    pub fn count(&self, is_one: impl Fn(&End) -> bool) -> usize {
        self.0.iter().filter(|entry| is_one(&entry.end)).count()
    }

    /// Asserts that the callers' results match the jobs in the simulator.
    pub fn agrees_with_aws(&self, simulator: &Simulator) {
        let mut jobs = BTreeMap::<&str, Vec<&Entry>>::new();
        for entry in &self.0 {
            jobs.entry(&entry.job).or_default().push(entry);
        }
        for (job, calls) in jobs {
            let acknowledged = simulator.acknowledged(job);
            let reported = calls.iter().filter(|call| call.end == End::Acknowledged).count();
            let unknown = calls.iter().filter(|call| call.end.is_unknown()).count();
            assert!(acknowledged <= 1 && reported <= acknowledged, "{acknowledged} times: {calls:#?}");
            assert!(reported + unknown >= acknowledged, "acknowledged without a matching result: {calls:#?}");
            for (n, call) in calls.iter().enumerate() {
                let taken = matches!(call.end, End::Rejected(Reason::InvalidNonce, ..));
                let by_earlier = calls[..n].iter().any(|earlier| earlier.end.is_unknown());
                assert!(
                    !taken || call.values == Values::Wrong || by_earlier,
                    "a retry was not safe: {calls:#?}"
                );
            }
        }
    }

    /// Asserts that the metrics match the callers' counts, up to the calls whose end only one side
    /// knows.
    pub fn agrees_with_metrics(&self, metrics: &Metrics) {
        let job = "grpc_method=\"AcknowledgeThirdPartyJob\"";
        let unsure = self.count(|end| matches!(end, End::Canceled | End::TimeUp));
        let between = |what: &str, reported: usize, counted: f64| {
            let (least, most) = (reported as f64, (reported + unsure) as f64);
            assert!((least..=most).contains(&counted), "{what}: {counted} isn't in {least}..={most}");
        };
        let completed = self.0.len() - unsure - self.count(|end| *end == End::NotSent);
        between("started", completed, metrics.sum("grpc_server_started_total", &[job]));
        between("handled", completed, metrics.sum("grpc_server_handled_total", &[job]));
        let ok = self.count(|end| *end == End::Acknowledged);
        between("OK", ok, metrics.sum("grpc_server_handled_total", &[job, "grpc_code=\"OK\""]));
        for reason in Reason::ALL {
            let reported = self.count(|end| matches!(end, End::Rejected(one, ..) if one == reason));
            let label = format!("reason=\"{}\"", reason.name());
            between(reason.name(), reported, metrics.sum("codepipeline_gateway_errors_total", &[&label]));
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
                End::Acknowledged => (None, None),
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
