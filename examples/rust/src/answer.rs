//! The result of a call: what the gateway says about it, and what a worker can do.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use serde::Serialize;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a worker does after an acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Start the work.
    Yours,
    /// Don't.
    NotYours,
    /// The job might be yours; don't retry automatically.
    Unknown,
}

/// The result of a call. Match errors on `reason` and `outcome`, never on `message`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    pub code: String,
    pub status: String,
    pub aws_status: String,
    pub reason: String,
    pub outcome: String,
    /// Attempts at AWS of the last call.
    pub attempts: u32,
    /// The number of calls.
    pub calls: u32,
    pub request_id: String,
    pub message: String,
    #[serde(skip)]
    pub retry_after: Duration,
}

impl Answer {
    pub fn verdict(&self) -> Verdict {
        match (self.status.as_str(), self.outcome.as_str()) {
            ("JOB_STATUS_IN_PROGRESS", _) => Verdict::Yours,
            ("JOB_STATUS_UNSPECIFIED", _) | (_, "unknown") => Verdict::Unknown,
            _ => Verdict::NotYours,
        }
    }

    pub fn is_ok(&self) -> bool {
        self.code == "OK"
    }

    pub fn is_unknown(&self) -> bool {
        self.outcome == "unknown"
    }

    /// The same call can be retried.
    pub fn nothing_happened(&self) -> bool {
        self.is_repeatable() && ["not_sent", "rejected"].contains(&&*self.outcome)
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].contains(&&*self.code)
    }

    /// A retry of a harmless call can help. An error without a reason comes from a library or a
    /// proxy.
    pub(crate) fn is_transient(&self) -> bool {
        self.is_repeatable() || (!self.is_ok() && self.reason.is_empty())
    }

    pub(crate) fn ok(metadata: &MetadataMap) -> Self {
        let id = metadata.get("x-request-id").and_then(|id| id.to_str().ok());
        Self { code: "OK".into(), request_id: id.unwrap_or_default().into(), ..Self::default() }
    }

    pub(crate) fn not_sent(status: &Status) -> Self {
        Self { outcome: "not_sent".into(), ..Self::failed(status) }
    }

    pub(crate) fn failed(status: &Status) -> Self {
        let details = status.get_error_details();
        // An error without ErrorInfo isn't the gateway's, so nothing is known about the call.
        let info = details.error_info().filter(|info| info.domain == "codepipeline-gateway");
        let of = |key: &str| info.and_then(|info| info.metadata.get(key).cloned());
        let no_connection = no_connection(status);
        let otherwise = if no_connection.is_some() { "not_sent" } else { "unknown" };
        Self {
            code: code_name(status.code()),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            outcome: of("outcome").unwrap_or_else(|| otherwise.into()),
            attempts: of("attempts").and_then(|attempts| attempts.parse().ok()).unwrap_or_default(),
            request_id: details.request_info().map(|request| request.request_id.clone()).unwrap_or_default(),
            message: no_connection.unwrap_or_else(|| status.message().into()),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay).unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The cause, if tonic reports that it couldn't connect. Nothing was sent then.
fn no_connection(status: &Status) -> Option<String> {
    let causes = || successors(status.source(), |&error| error.source());
    causes().find(|error| error.is::<tonic::ConnectError>())?;
    causes().last().map(|cause| format!("no connection to the gateway: {cause}"))
}

/// `DeadlineExceeded` is `DEADLINE_EXCEEDED`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() && code != Code::Ok {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
