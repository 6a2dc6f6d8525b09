//! What every call of the fault run came to, and whether that can be.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use codepipeline_gateway::error::{Outcome, Outcomes, Reason};
use codepipeline_gateway::methods::ACKNOWLEDGE;
use codepipeline_simulator::Simulator;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::vitals::Metrics;

/// What the call was to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The job's own three values.
    Well,
    /// Something that the gateway or AWS has to refuse.
    Badly,
}

/// How a call ended for its caller.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Acknowledged,
    Refused(Reason, Outcome, Code),
    /// The caller's own clock ended it: on a busy machine an answer can come too late.
    TimeUp,
    /// The caller's own library didn't send it, or sent it after the gateway's last word on which streams it takes: hyper's
    /// client gives up a call that meets a graceful GOAWAY (hyperium/hyper#2500), where other libraries open a new connection.
    NotSent,
    HungUp,
}

/// A call, in the order in which its job was called about.
#[derive(Clone, Debug)]
pub struct Entry {
    pub request_id: String,
    pub job: String,
    pub asked: Asked,
    pub end: End,
}

impl End {
    /// Reads an error as the row of the table that it has to be, if the caller's library didn't make it.
    pub fn of(status: &Status, has_deadline: bool) -> Self {
        let details = status.check_error_details().expect("readable details");
        let Some(info) = details.error_info() else {
            return match (status.code(), status.message()) {
                (Code::Cancelled, "Timeout expired") if has_deadline => Self::TimeUp,
                (Code::Cancelled, "operation was canceled") => Self::NotSent,
                (Code::Unknown, "transport error") if is_goaway(status) => Self::NotSent,
                _ => panic!("neither the gateway's nor to be expected of the library: {status:?}"),
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
        Self::Refused(reason, outcome, status.code())
    }

    /// Whether the call may have acknowledged its job without the caller's knowing.
    fn leaves_it_open(&self) -> bool {
        matches!(self, Self::Refused(_, Outcome::Unknown, _) | Self::TimeUp | Self::HungUp)
    }

    fn name(&self) -> String {
        match self {
            Self::Acknowledged => "OK".into(),
            Self::Refused(reason, outcome, code) => {
                format!("{code:?} {} {}", reason.name(), outcome.as_str())
            }
            Self::TimeUp => "(the caller's own clock ended it)".into(),
            Self::NotSent => "(the caller's library didn't send it after a GOAWAY)".into(),
            Self::HungUp => "(the caller hung up)".into(),
        }
    }
}

/// Whether h2's word under all the others is of a graceful GOAWAY: it says so only of streams that the other side doesn't take.
fn is_goaway(status: &Status) -> bool {
    let causes = std::iter::successors(status.source(), |cause: &&dyn Error| (*cause).source());
    causes
        .last()
        .is_some_and(|last| last.to_string() == "connection error received: not a result of an error")
}

/// All calls.
#[derive(Debug, Default)]
pub struct Ledger(pub Vec<Entry>);

impl Ledger {
    /// How often each end came.
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

    /// The promise: what the caller was told is what the simulator knows.
    pub fn agrees_with_aws(&self, simulator: &Simulator) {
        let mut jobs = BTreeMap::<&str, Vec<&Entry>>::new();
        for entry in &self.0 {
            jobs.entry(&entry.job).or_default().push(entry);
        }
        for (job, calls) in jobs {
            let acknowledged = simulator.acknowledged(job);
            let told = calls.iter().filter(|call| call.end == End::Acknowledged).count();
            let open = calls.iter().filter(|call| call.end.leaves_it_open()).count();
            assert!(acknowledged <= 1 && told <= acknowledged, "{acknowledged} times: {calls:#?}");
            assert!(told + open >= acknowledged, "acknowledged, and nobody may know: {calls:#?}");
            for (n, call) in calls.iter().enumerate() {
                let taken = matches!(call.end, End::Refused(Reason::InvalidNonce, ..));
                let by_earlier = calls[..n].iter().any(|earlier| earlier.end.leaves_it_open());
                assert!(
                    !taken || call.asked == Asked::Badly || by_earlier,
                    "a repeat was not safe: {calls:#?}"
                );
            }
        }
    }

    /// What the gateway counted is what its callers counted; what only one side may know lies between.
    pub fn agrees_with_metrics(&self, metrics: &Metrics) {
        let job = "grpc_method=\"AcknowledgeThirdPartyJob\"";
        let unsure = self.count(|end| matches!(end, End::HungUp | End::TimeUp));
        let between = |what: &str, told: usize, counted: f64| {
            let (least, most) = (told as f64, (told + unsure) as f64);
            assert!((least..=most).contains(&counted), "{what}: {counted} isn't in {least}..={most}");
        };
        let answered = self.0.len() - unsure - self.count(|end| *end == End::NotSent);
        between("started", answered, metrics.sum("grpc_server_started_total", &[job]));
        between("handled", answered, metrics.sum("grpc_server_handled_total", &[job]));
        let ok = self.count(|end| *end == End::Acknowledged);
        between("OK", ok, metrics.sum("grpc_server_handled_total", &[job, "grpc_code=\"OK\""]));
        for reason in Reason::ALL {
            let told = self.count(|end| matches!(end, End::Refused(one, ..) if one == reason));
            let label = format!("reason=\"{}\"", reason.name());
            between(reason.name(), told, metrics.sum("codepipeline_gateway_errors_total", &[&label]));
        }
    }

    /// Each call has one line, which says what its caller was told.
    pub fn agrees_with_log(&self, log: &[String]) {
        let mut lines = HashMap::<String, Vec<Value>>::new();
        for line in log {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            if line["message"] == "call"
                && let Some(id) = line["request_id"].as_str()
            {
                lines.entry(id.to_owned()).or_default().push(line);
            }
        }
        for entry in &self.0 {
            let found = lines.get(&entry.request_id).map(Vec::as_slice).unwrap_or_default();
            let told = match entry.end {
                End::Acknowledged => (None, None),
                End::Refused(reason, outcome, _) => (Some(reason.name()), Some(outcome.as_str())),
                End::TimeUp | End::HungUp if found.len() <= 1 => continue,
                End::NotSent if found.is_empty() => continue,
                End::TimeUp | End::HungUp | End::NotSent => {
                    panic!("too many lines for {entry:?}: {found:#?}")
                }
            };
            let [line] = found else { panic!("one line for {entry:?}: {found:#?}") };
            assert_eq!((line["reason"].as_str(), line["outcome"].as_str()), told, "{line}");
        }
    }
}
