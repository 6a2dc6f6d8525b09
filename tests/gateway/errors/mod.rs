//! The error table, row by row: each failure at AWS or in the network, and the error that its
//! caller gets.
//!
//! The expectations are written out in full, not taken from the program's own table.

mod codes;
mod details;
mod responses;

use std::fmt::Debug;

use tonic::Code::{self, ResourceExhausted, Unavailable};

use crate::harness::{Answer, NONCE, REGION, TOKEN};

/// The error that a caller must get.
#[derive(Clone, Copy, Debug)]
struct Expected {
    code: Code,
    reason: &'static str,
    outcome: &'static str,
    attempts: u32,
    retry_info: bool,
}

impl Expected {
    const fn after(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    const fn retry(self) -> Self {
        Self { retry_info: true, ..self }
    }

    /// Checks everything that is true of every error.
    fn check<R: Debug>(self, answer: &Answer<R>, what: &str) {
        let status = answer.status();
        let details = answer.details();
        let info = details.error_info().unwrap_or_else(|| panic!("{what}: no ErrorInfo in {status:?}"));
        let seen = (status.code(), info.reason.as_str(), info.metadata["outcome"].as_str());
        assert_eq!(seen, (self.code, self.reason, self.outcome), "{what}: {status:?}");
        assert_eq!(info.metadata["attempts"], self.attempts.to_string(), "{what}: attempts");
        assert_eq!(info.metadata["region"], REGION, "{what}");
        assert_eq!(info.domain, "codepipeline-gateway", "{what}");
        assert_eq!(details.retry_info().is_some(), self.retry_info, "{what}: RetryInfo");
        assert_eq!(
            answer.header("grpc-retry-pushback-ms").is_some(),
            self.outcome == "unknown",
            "{what}: pushback"
        );
        let safe = !matches!(self.code, Unavailable | ResourceExhausted) || self.outcome != "unknown";
        assert!(safe, "{what}: a mesh would retry a call that AWS might have processed");
        let id = details.request_info().expect("RequestInfo").request_id.clone();
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()), "{what}");
        check_message(status.message(), what);
        let all = format!("{status:?} {details:?} {:?}", answer.metadata);
        assert!(!all.contains(NONCE) && !all.contains(TOKEN), "{what}: {all} contains a secret");
        let size: usize =
            answer.metadata.clone().into_headers().iter().map(|(k, v)| k.as_str().len() + v.len()).sum();
        assert!(
            size + status.message().len() * 3 + status.details().len() * 2 < 4096,
            "{what}: {size} bytes of metadata"
        );
    }
}

const fn expect(code: Code, reason: &'static str, outcome: &'static str) -> Expected {
    Expected { code, reason, outcome, attempts: 1, retry_info: false }
}

/// Checks that the message is a sentence without technical text.
fn check_message(message: &str, what: &str) {
    assert!(message.ends_with('.') && message.len() > 30 && message.is_ascii(), "{what}: {message:?}");
    assert!(message.starts_with(|c: char| c.is_ascii_uppercase()), "{what}: {message:?}");
    for inside in ["Error(", "Exception", "{", "::", "arn:", "Some("] {
        assert!(!message.contains(inside), "{what}: {message:?} contains {inside}");
    }
}
