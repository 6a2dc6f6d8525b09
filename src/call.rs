//! One call: who it is, how long it may take, and what is known of it so far.
//!
//! Made by the outermost layer, carried in the request's extensions, filled on the way. However the call ends, by an
//! answer, its deadline, a caller that hangs up, a drain or a panic, `Progress` knows what happened at AWS.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{AwsAnswer, Failure, Outcome, Reason};

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
    job_id: OnceLock<String>,
    progress: Progress,
    end: OnceLock<End>,
}

/// How a call ended, for its log line.
#[derive(Debug)]
pub struct End {
    /// Why it failed and what is known of it; nothing for a success.
    pub failure: Option<(Reason, Outcome)>,
    /// What AWS said.
    pub aws: AwsAnswer,
    /// The same in AWS's or the network's own words, secrets masked.
    pub log_text: Option<String>,
}

impl Call {
    /// Begins a call that has just arrived with these headers.
    #[must_use]
    pub fn begin(headers: &HeaderMap, deadlines: Deadlines, region: Arc<str>) -> Self {
        let started = Instant::now();
        let timeout = match headers.get("grpc-timeout") {
            None => Some(deadlines.default),
            Some(value) => {
                parse_grpc_timeout(value.as_bytes()).map(|t| t.saturating_sub(margin(t)).min(deadlines.max))
            }
        };
        Self {
            request_id: request_id(headers),
            region,
            started,
            deadline: timeout.map(|timeout| started + timeout),
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
            Failure::not_sent(Reason::InvalidRequest).with_sentence(
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

    /// Which job it is about, once that is known.
    #[must_use]
    pub fn job_id(&self) -> Option<&str> {
        self.job_id.get().map(String::as_str)
    }

    /// Notes which job it is about.
    pub fn is_about(&self, job_id: &str) {
        // A call is about one job; a second word on it would change nothing.
        let _ = self.job_id.set(job_id.to_owned());
    }

    /// What has happened at AWS so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Notes how it ended; the first word counts.
    pub fn ends(&self, end: End) {
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
        let outcome = if self.progress.attempts() == 0 {
            Outcome::NotSent
        } else {
            Outcome::Unknown
        };
        Failure::new(Reason::GatewayBug, outcome)
    }

    /// The failure of a call that ends now for a reason of the gateway's own, with what is true of it at AWS.
    #[must_use]
    pub fn cut_short(&self, reason: Reason) -> Failure {
        let known = self.progress.lock();
        let outcome = match &known.attempt {
            Attempt::Running(may_be_sent) if may_be_sent() => Outcome::Unknown,
            Attempt::None | Attempt::Running(_) => Outcome::NotSent,
            Attempt::Ended(outcome) => *outcome,
        };
        Failure {
            aws: known.answer.clone(),
            ..Failure::new(reason, outcome)
        }
    }
}

/// What has happened at AWS so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    attempts: u32,
    attempt: Attempt,
    answer: AwsAnswer,
}

#[derive(Default)]
enum Attempt {
    #[default]
    None,
    Running(Box<dyn Fn() -> bool + Send>),
    Ended(Outcome),
}

impl Progress {
    /// How many attempts at AWS were begun.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// A further attempt begins; `may_be_sent` tells from now on whether its request may have reached AWS.
    pub fn attempt_begins(&self, may_be_sent: impl Fn() -> bool + Send + 'static) {
        let mut known = self.lock();
        known.attempts += 1;
        known.attempt = Attempt::Running(Box::new(may_be_sent));
    }

    /// The attempt failed like this.
    pub fn attempt_failed(&self, failure: &Failure) {
        let mut known = self.lock();
        known.attempt = Attempt::Ended(failure.outcome);
        known.answer = failure.aws.clone();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it is held can't leave a half-written value behind: every write is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Running(_) => f.write_str("Running"),
            Self::Ended(outcome) => write!(f, "Ended({outcome:?})"),
        }
    }
}

/// How much earlier than the caller's deadline the gateway answers, so that the answer arrives in time: 5 %, at least
/// 20 ms, at most 250 ms, and never more than there is.
fn margin(timeout: Duration) -> Duration {
    (timeout / 20)
        .clamp(Duration::from_millis(20), Duration::from_millis(250))
        .min(timeout)
}

/// `grpc-timeout` by gRPC's "PROTOCOL-HTTP2": 1 to 8 digits and a unit.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let usable = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b))
    };
    let given = headers
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .filter(usable);
    given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(
            parse_grpc_timeout(b"99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(parse_grpc_timeout(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse_grpc_timeout(b"3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse_grpc_timeout(b"500m"), Some(Duration::from_millis(500)));
        assert_eq!(parse_grpc_timeout(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse_grpc_timeout(b"0n"), Some(Duration::ZERO));
        for malformed in [
            "",
            "S",
            "5",
            "123456789S",
            "1 S",
            "-1S",
            "+1S",
            "1s",
            "1.5S",
            "٣S",
        ] {
            assert_eq!(parse_grpc_timeout(malformed.as_bytes()), None, "{malformed:?}");
        }
    }

    fn call() -> Call {
        let second = Duration::from_secs(1);
        Call::begin(
            &HeaderMap::new(),
            Deadlines {
                default: second,
                max: second,
            },
            "eu-west-1".into(),
        )
    }

    #[test]
    fn a_call_cut_short_is_told_what_is_true_of_its_last_attempt() {
        let outcome = |call: &Call| call.cut_short(Reason::DeadlineExceeded).outcome;
        let call = call();
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_begins(|| false);
        assert_eq!(outcome(&call), Outcome::NotSent);
        call.progress().attempt_begins(|| true);
        assert_eq!(outcome(&call), Outcome::Unknown);
        call.progress()
            .attempt_failed(&Failure::new(Reason::AwsThrottled, Outcome::Rejected));
        assert_eq!(outcome(&call), Outcome::Rejected);
        call.progress().attempt_begins(|| false);
        assert_eq!(
            (outcome(&call), call.progress().attempts()),
            (Outcome::NotSent, 3)
        );
    }

    #[test]
    fn an_unknown_outcome_never_has_a_code_that_is_repeated_blindly() {
        for reason in Reason::ALL {
            let code = reason.code(Outcome::Unknown);
            if reason.outcomes() == Outcomes::Always(Outcome::Unknown)
                || reason.outcomes() == Outcomes::AsItWas
            {
                assert!(
                    !matches!(code, tonic::Code::Unavailable | tonic::Code::ResourceExhausted),
                    "{reason:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_timeout_header_panics(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(timeout) = parse_grpc_timeout(&value) {
                prop_assert!(margin(timeout) <= timeout);
            }
        }

        #[test]
        fn a_usable_request_id_comes_back_and_no_other(id in "[A-Za-z0-9._:/-]{1,128}|[ -~]{0,140}") {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", id.parse().unwrap());
            let usable = (1..=128).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:/-".contains(c));
            prop_assert_eq!(request_id(&headers) == id, usable);
        }
    }
}
