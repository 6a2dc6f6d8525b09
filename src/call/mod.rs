//! One call: its method, how long it can take, and what is known about it so far.
//!
//! The outermost layer creates it and puts it into the request's extensions. However the call ends
//! (a response, its deadline, a caller that disconnects, a drain, or a panic), `Progress` knows
//! what happened at AWS.

mod deadline;
mod end;
mod in_flight;
mod progress;
mod subject;
mod trace_context;

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use tokio::time::Instant;

pub use deadline::Deadlines;
pub use end::End;
pub use in_flight::InFlight;
pub use progress::Progress;
pub use subject::Subject;
pub use trace_context::TraceContext;

use crate::error::{CallFacts, Failure, Outcome, Reason};
use crate::methods::Method;
use crate::util::text::truncate;

/// The header with the call's id. The layer stack makes sure that every request has a usable one.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest part of a caller's name that is kept, in bytes.
const MAX_CALLER: usize = 256;

/// What is known about one call.
#[derive(Debug)]
pub struct Call {
    method: &'static Method,
    request_id: String,
    region: Arc<str>,
    started: Instant,
    deadline: Option<Instant>,
    caller: OnceLock<String>,
    subject: Subject,
    trace: OnceLock<TraceContext>,
    progress: Progress,
    in_flight: InFlight,
    /// Whether the gateway itself makes the call.
    background: bool,
    end: OnceLock<End>,
}

impl Call {
    /// A call of this method that has just arrived with these headers.
    #[must_use]
    pub fn begin(
        method: &'static Method,
        headers: &HeaderMap,
        deadlines: Deadlines,
        region: Arc<str>,
    ) -> Self {
        let started = Instant::now();
        let timeout = match deadline::timeout(headers) {
            deadline::Timeout::None => Some(deadlines.default),
            deadline::Timeout::Of(timeout) => Some(deadline::without_margin(timeout).min(deadlines.max)),
            deadline::Timeout::Malformed => None,
        };
        let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        Self {
            request_id: request_id.to_owned(),
            deadline: timeout.map(|timeout| started + timeout),
            ..Self::new(method, region, started)
        }
    }

    /// A call of this method that the gateway itself makes. AWS isn't asked again if it throttles
    /// the call.
    #[must_use]
    pub fn background(method: &'static Method, deadline: Instant, region: Arc<str>) -> Self {
        Self { deadline: Some(deadline), background: true, ..Self::new(method, region, Instant::now()) }
    }

    fn new(method: &'static Method, region: Arc<str>, started: Instant) -> Self {
        Self {
            method,
            request_id: String::new(),
            region,
            started,
            deadline: None,
            caller: OnceLock::new(),
            subject: Subject::default(),
            trace: OnceLock::new(),
            progress: Progress::default(),
            in_flight: InFlight::default(),
            background: false,
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

    /// When the gateway must respond.
    ///
    /// # Errors
    /// `INVALID_REQUEST` if the caller's `grpc-timeout` is malformed.
    pub fn deadline(&self) -> Result<Instant, Failure> {
        self.deadline.ok_or_else(|| {
            Failure::not_sent(Reason::InvalidRequest).with_message(
                "The header grpc-timeout is malformed; it takes 1 to 8 digits and a unit \
                 (H, M, S, m, u or n), such as 500m.",
            )
        })
    }

    /// The method that was called.
    #[must_use]
    pub fn method(&self) -> &'static Method {
        self.method
    }

    /// The caller's own id of the call if it sent a usable one, else a new one.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The AWS region that the gateway uses.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// When the call arrived.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The caller's name, if the gateway authenticates callers: the allowed name, or one that isn't
    /// allowed. It fits into a log line.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.caller.get().map(String::as_str)
    }

    /// Records the caller's name.
    pub fn set_caller(&self, caller: &str) {
        // Names come from outside. A line break in one would look like a log line of the gateway.
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let _ = self.caller.set(truncate(caller, MAX_CALLER).replace(breaks, "\u{fffd}"));
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What has happened at AWS so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What it holds while it is in flight.
    #[must_use]
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Whether the gateway itself makes the call.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.background
    }

    /// The span that the call's attempts belong under, if they are traced.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.get()
    }

    /// Records the span that the call's attempts belong under.
    pub fn set_trace(&self, trace: TraceContext) {
        let _ = self.trace.set(trace);
    }

    /// What the call's error says about the call.
    #[must_use]
    pub fn facts(&self) -> CallFacts<'_> {
        CallFacts {
            method: self.method,
            request_id: &self.request_id,
            region: &self.region,
            attempts: self.progress.attempts(),
            job_id: self.subject.job_id(),
            action_type: self.subject.action_type(),
        }
    }

    /// Records how the call ended. The first record counts.
    pub fn set_end(&self, end: End) {
        let _ = self.end.set(end);
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// The failure of a call whose handling panicked. The recorded outcome of its attempts can't be
    /// trusted then.
    #[must_use]
    pub fn panicked(&self) -> Failure {
        let outcome = if self.progress.attempts() == 0 { Outcome::NotSent } else { Outcome::Unknown };
        Failure::new(Reason::GatewayBug, outcome)
    }

    /// The failure of a call that the gateway ends now, with what is known about the call at AWS.
    #[must_use]
    pub fn interrupted(&self, reason: Reason) -> Failure {
        let (outcome, aws) = self.progress.outcome_if_cancelled();
        Failure { aws, ..Failure::new(reason, outcome) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::AwsResponse;
    use crate::methods::ACKNOWLEDGE;

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
        Call::begin(
            &ACKNOWLEDGE,
            &HeaderMap::new(),
            Deadlines { default: second, max: second },
            "eu-west-1".into(),
        )
    }

    #[test]
    fn an_interrupted_call_has_the_outcome_of_its_last_attempt() {
        let outcome = |call: &Call| call.interrupted(Reason::DeadlineExceeded).outcome;
        let call = call();
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_started(|| false);
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_started(|| true);
        assert_eq!(outcome(&call), Outcome::Unknown);
        call.progress().attempt_failed(&Failure::new(Reason::AwsThrottled, Outcome::Rejected));
        assert_eq!(outcome(&call), Outcome::Rejected);
        call.progress().attempt_started(|| false);
        assert_eq!((outcome(&call), call.progress().attempts()), (Outcome::NotSent, 3));
        call.progress().attempt_failed(&Failure::new(Reason::AwsConnectionLost, Outcome::Unknown));
        call.progress().attempt_started(|| false);
        assert_eq!(outcome(&call), Outcome::Unknown, "the earlier attempt may have had its effect");
    }

    #[test]
    fn the_response_to_an_attempt_is_not_that_of_the_next() {
        let call = call();
        call.progress().attempt_started(|| true);
        let aws = AwsResponse { http_status: Some(429), ..AwsResponse::default() };
        call.progress()
            .attempt_failed(&Failure { aws, ..Failure::new(Reason::AwsThrottled, Outcome::Rejected) });
        assert_eq!(call.interrupted(Reason::DeadlineExceeded).aws.http_status, Some(429));
        call.progress().attempt_started(|| true);
        assert_eq!(call.interrupted(Reason::DeadlineExceeded).aws, AwsResponse::default());
    }
}
