//! What has happened at AWS so far. It is kept outside the future that calls AWS, so that it
//! survives a cancellation.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{AwsResponse, Failure, Outcome};

/// What has happened at AWS so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    attempts: u32,
    attempt: Attempt,
    /// Whether an earlier attempt had an unknown outcome. A later one that isn't sent doesn't
    /// change that.
    earlier_unknown: bool,
    response: AwsResponse,
}

#[derive(Default)]
enum Attempt {
    #[default]
    None,
    Running(Box<dyn Fn() -> bool + Send>),
    Ended(Outcome),
}

impl Progress {
    /// How many attempts at AWS were started.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// The gateway's poller made this many attempts for the call.
    pub(crate) fn attempts_of_poller(&self, attempts: u32) {
        self.lock().attempts = attempts;
    }

    /// Another attempt starts. From now on, `may_be_sent` says whether its request might have
    /// reached AWS.
    pub fn attempt_started(&self, may_be_sent: impl Fn() -> bool + Send + 'static) {
        let mut known = self.lock();
        known.attempts += 1;
        known.earlier_unknown |= matches!(known.attempt, Attempt::Ended(Outcome::Unknown));
        // The response to an earlier attempt says nothing about this one.
        known.response = AwsResponse::default();
        known.attempt = Attempt::Running(Box::new(may_be_sent));
    }

    /// The attempt failed.
    pub fn attempt_failed(&self, failure: &Failure) {
        let mut known = self.lock();
        known.attempt = Attempt::Ended(failure.outcome);
        known.response = failure.aws.clone();
    }

    /// What is known about the call at AWS if it ends now, and AWS's last response.
    pub(super) fn outcome_if_cancelled(&self) -> (Outcome, AwsResponse) {
        let known = self.lock();
        let outcome = match &known.attempt {
            Attempt::Running(may_be_sent) if may_be_sent() => Outcome::Unknown,
            Attempt::None | Attempt::Running(_) => Outcome::NotSent,
            Attempt::Ended(outcome) => *outcome,
        };
        let outcome = match outcome {
            Outcome::NotSent if known.earlier_unknown => Outcome::Unknown,
            outcome => outcome,
        };
        (outcome, known.response.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic under the lock leaves no half-written value: nothing between two assignments can
        // panic, and `may_be_sent` changes nothing.
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
