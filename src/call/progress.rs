//! What has happened at AWS so far: kept outside the future that does it, so that whoever drops that knows.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanContext;

use crate::error::{AwsResponse, Failure, Outcome};

/// What has happened at AWS so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    attempts: u32,
    attempt: Attempt,
    answer: AwsResponse,
    span_of_call: Option<SpanContext>,
}

#[derive(Default)]
enum Attempt {
    #[default]
    None,
    Running(Box<dyn Fn() -> bool + Send>),
    Ended(Outcome),
}

impl Progress {
    /// The call's attempts belong under this span.
    pub(crate) fn is_traced(&self, span_of_call: SpanContext) {
        self.lock().span_of_call = Some(span_of_call);
    }

    /// The span that attempts belong under, if they are to have spans.
    pub(crate) fn span_of_call(&self) -> Option<SpanContext> {
        self.lock().span_of_call.clone()
    }

    /// How many attempts at AWS were begun.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// A further attempt begins; `may_be_sent` tells from now on whether its request may have reached AWS.
    pub fn attempt_begins(&self, may_be_sent: impl Fn() -> bool + Send + 'static) {
        let mut known = self.lock();
        known.attempts += 1;
        // What AWS said of an earlier attempt says nothing of this one.
        known.answer = AwsResponse::default();
        known.attempt = Attempt::Running(Box::new(may_be_sent));
    }

    /// The attempt failed like this.
    pub fn attempt_failed(&self, failure: &Failure) {
        let mut known = self.lock();
        known.attempt = Attempt::Ended(failure.outcome);
        known.answer = failure.aws.clone();
    }

    /// What is true of the call at AWS if it ends now, and what AWS last said.
    pub(super) fn outcome_if_cancelled(&self) -> (Outcome, AwsResponse) {
        let known = self.lock();
        let outcome = match &known.attempt {
            Attempt::Running(may_be_sent) if may_be_sent() => Outcome::Unknown,
            Attempt::None | Attempt::Running(_) => Outcome::NotSent,
            Attempt::Ended(outcome) => *outcome,
        };
        (outcome, known.answer.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it is held leaves no half-written value behind: nothing between two assignments can panic, and what is
        // asked under the lock (`may_be_sent`) changes nothing.
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
