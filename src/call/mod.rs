//! One call: who it is, how long it may take, and what is known of it so far.
//!
//! Made by the outermost layer, carried in the request's extensions, filled on the way. However the call ends, by an
//! answer, its deadline, a caller that hangs up, a drain or a panic, `Progress` knows what happened at AWS.

mod headers;
mod progress;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

pub use progress::Progress;

use crate::error::{AwsResponse, Failure, Outcome, Reason};

/// The longest part of a caller's name that is kept, in bytes.
const MAX_CALLER: usize = 256;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a caller that sends none.
    pub default: Duration,
    /// For a caller that sends a longer one.
    pub max: Duration,
}

/// What is known of one call.
#[derive(Debug)]
pub struct Call {
    request_id: String,
    region: Arc<str>,
    started: Instant,
    deadline: Option<Instant>,
    caller: OnceLock<String>,
    job_id: OnceLock<String>,
    progress: Progress,
    end: OnceLock<End>,
}

/// How a call ended, for its log line.
#[derive(Debug, Default)]
pub struct End {
    /// Why it failed and what is known of it; nothing for a success.
    pub failure: Option<(Reason, Outcome)>,
    /// The request's fields that break a rule, ours or AWS's.
    pub invalid_fields: Vec<&'static str>,
    /// What AWS said.
    pub aws: AwsResponse,
    /// The same in AWS's or the network's own words, secrets masked.
    pub log_text: Option<String>,
}

impl Call {
    /// Begins a call that has just arrived with these headers.
    #[must_use]
    pub fn begin(headers: &HeaderMap, deadlines: Deadlines, region: Arc<str>) -> Self {
        let started = Instant::now();
        let timeout = match headers::timeout(headers) {
            headers::Timeout::None => Some(deadlines.default),
            headers::Timeout::Of(time) => Some(time.saturating_sub(margin(time)).min(deadlines.max)),
            headers::Timeout::Malformed => None,
        };
        Self {
            request_id: headers::request_id(headers),
            region,
            started,
            deadline: timeout.map(|timeout| started + timeout),
            caller: OnceLock::new(),
            job_id: OnceLock::new(),
            progress: Progress::default(),
            end: OnceLock::new(),
        }
    }

    /// The call whose request carries these extensions.
    ///
    /// # Panics
    /// If they are not of a request that came through the gateway's layers.
    #[must_use]
    pub fn of(extensions: &http::Extensions) -> Arc<Self> {
        #[expect(
            clippy::expect_used,
            reason = "proof: the outermost layer puts it there, and no service is reachable but through it"
        )]
        extensions.get::<Arc<Self>>().expect("a call").clone()
    }

    /// When the gateway has to answer.
    ///
    /// # Errors
    /// `INVALID_REQUEST` if the caller's `grpc-timeout` is malformed.
    pub fn deadline(&self) -> Result<Instant, Failure> {
        self.deadline.ok_or_else(|| {
            Failure::not_sent(Reason::InvalidRequest).with_message(
                "The header grpc-timeout is malformed; it takes 1 to 8 digits and a unit (H, M, S, m, u or n), such as 500m.",
            )
        })
    }

    /// The caller's own id of the call if it gave a usable one, else a fresh one.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The AWS region that the gateway speaks to.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// When the call arrived.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Who calls, if the gateway tells callers apart: the name that was allowed, or one that wasn't. Fit for a log line.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.caller.get().map(String::as_str)
    }

    /// Notes who calls.
    pub fn set_caller(&self, caller: &str) {
        // Names come from outside, and a line break in one would look like a log line of ours.
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let cut = &caller[..caller.floor_char_boundary(MAX_CALLER)];
        let _ = self.caller.set(cut.replace(breaks, "\u{fffd}"));
    }

    /// Which job it is about, once that is known.
    #[must_use]
    pub fn job_id(&self) -> Option<&str> {
        self.job_id.get().map(String::as_str)
    }

    /// Notes which job it is about.
    pub fn set_job_id(&self, job_id: &str) {
        // A call is about one job; a second word on it would change nothing.
        let _ = self.job_id.set(job_id.to_owned());
    }

    /// What has happened at AWS so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Notes how it ended; the first word counts.
    pub fn set_end(&self, end: End) {
        let _ = self.end.set(end);
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// The failure of a call whose handling panicked. What the gateway believed of it counts no more.
    #[must_use]
    pub fn panicked(&self) -> Failure {
        let outcome = if self.progress.attempts() == 0 { Outcome::NotSent } else { Outcome::Unknown };
        Failure::new(Reason::GatewayBug, outcome)
    }

    /// The failure of a call that ends now for a reason of the gateway's own, with what is true of it at AWS.
    #[must_use]
    pub fn interrupted(&self, reason: Reason) -> Failure {
        let (outcome, aws) = self.progress.outcome_if_cancelled();
        Failure { aws, ..Failure::new(reason, outcome) }
    }
}

/// How much earlier than the caller's deadline the gateway answers, so that the answer arrives in time: 5 %, at least
/// 20 ms, at most 250 ms, and never more than there is.
fn margin(timeout: Duration) -> Duration {
    (timeout / 20).clamp(Duration::from_millis(20), Duration::from_millis(250)).min(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Outcomes;

    #[test]
    fn the_answer_comes_a_little_before_the_deadline() {
        let before = |millis| margin(Duration::from_millis(millis)).as_millis();
        assert_eq!(before(10), 10);
        assert_eq!(before(100), 20);
        assert_eq!(before(1_000), 50);
        assert_eq!(before(60_000), 250);
    }

    #[test]
    fn a_callers_name_is_one_line_of_limited_length() {
        let noted = |name: &str| {
            let call = call();
            call.set_caller(name);
            call.caller().unwrap().to_owned()
        };
        assert_eq!(noted("sub:system:serviceaccount:ns:ü"), "sub:system:serviceaccount:ns:ü");
        assert_eq!(noted("sub:a\nb\r\u{1b}[2K\u{2028}c"), "sub:a\u{fffd}b\u{fffd}\u{fffd}[2K\u{fffd}c");
        assert_eq!(noted(&"ü".repeat(200)), "ü".repeat(128));
    }

    fn call() -> Call {
        let second = Duration::from_secs(1);
        Call::begin(&HeaderMap::new(), Deadlines { default: second, max: second }, "eu-west-1".into())
    }

    #[test]
    fn a_call_cut_short_is_told_what_is_true_of_its_last_attempt() {
        let outcome = |call: &Call| call.interrupted(Reason::DeadlineExceeded).outcome;
        let call = call();
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_begins(|| false);
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_begins(|| true);
        assert_eq!(outcome(&call), Outcome::Unknown);
        call.progress().attempt_failed(&Failure::new(Reason::AwsThrottled, Outcome::Rejected));
        assert_eq!(outcome(&call), Outcome::Rejected);
        call.progress().attempt_begins(|| false);
        assert_eq!((outcome(&call), call.progress().attempts()), (Outcome::NotSent, 3));
    }

    #[test]
    fn what_aws_said_of_one_attempt_is_not_told_of_the_next() {
        let call = call();
        call.progress().attempt_begins(|| true);
        let aws = AwsResponse { http_status: Some(429), ..AwsResponse::default() };
        call.progress()
            .attempt_failed(&Failure { aws, ..Failure::new(Reason::AwsThrottled, Outcome::Rejected) });
        assert_eq!(call.interrupted(Reason::DeadlineExceeded).aws.http_status, Some(429));
        call.progress().attempt_begins(|| true);
        assert_eq!(call.interrupted(Reason::DeadlineExceeded).aws, AwsResponse::default());
    }

    #[test]
    fn an_unknown_outcome_never_has_a_code_that_is_repeated_blindly() {
        for reason in Reason::ALL {
            let possible =
                [Outcomes::Always(Outcome::Unknown), Outcomes::Observed].contains(&reason.outcomes());
            let code = reason.code(Outcome::Unknown);
            let repeated = matches!(code, tonic::Code::Unavailable | tonic::Code::ResourceExhausted);
            assert!(!(possible && repeated), "{reason:?}");
        }
    }
}
