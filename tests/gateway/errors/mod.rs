//! The error table, row by row: each failure at AWS or in the network, and the error that its
//! caller gets.
//!
//! The expectations are written out in full, not taken from the program's own table.

mod codes;
mod details;
mod responses;

use std::fmt::Debug;

use codepipeline_simulator::{Fault, OperationName};
use futures_util::future::join_all;
use tonic::Code::{self, ResourceExhausted, Unavailable};

use crate::harness::operations::is_harmless;
use crate::harness::{Answer, NONCE, REGION, TOKEN, World};

/// A failure at AWS, and the error that its caller gets.
#[derive(Debug)]
struct Row {
    operation: OperationName,
    what: String,
    fault: Fault,
    /// The AWS error code that the error names, if there is one.
    aws_code: Option<String>,
    expected: Expected,
}

/// The number of gateways that share the rows. Throttled calls spend their time in backoff.
const WORKERS: usize = 16;

/// Makes a call for each row and checks its error.
async fn check_rows(rows: &[Row]) {
    join_all((0..WORKERS).map(async |worker| {
        let world = World::start().await;
        for row in rows.iter().skip(worker).step_by(WORKERS) {
            row.check(&world).await;
        }
        world.stop().await;
    }))
    .await;
}

impl Row {
    async fn check(&self, world: &World) {
        let Self { operation, fault, expected, .. } = self;
        let what = format!("{} {}", operation.as_str(), self.what);
        let before = world.request_count();
        world.simulator.fault_operation(*operation, 3, fault.clone());
        let answer = world.call(*operation, "job-1").await;
        world.simulator.clear_faults();
        expected.check(*operation, &answer, &what);
        assert_eq!(world.request_count() - before, expected.attempts as usize, "{what}: requests at AWS");
        if let Some(code) = &self.aws_code {
            let info = answer.info();
            assert_eq!(info["awsErrorCode"], *code, "{what}");
            assert_eq!(info["httpStatus"], "400", "{what}");
            assert_eq!(answer.header("x-amzn-requestid"), Some(info["awsRequestId"].as_str()), "{what}");
        }
    }
}

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

    /// The error of this operation. A retry of a poll or a read does no harm, so its caller gets
    /// UNAVAILABLE instead of an unknown outcome that must not be retried. The gateway itself
    /// retries only a read.
    fn of(self, operation: OperationName) -> Self {
        let unknown =
            matches!(self.reason, "AWS_UNAVAILABLE" | "AWS_REQUEST_TIMEOUT" | "AWS_CONNECTION_LOST");
        match operation {
            OperationName::PollForThirdPartyJobs if unknown => Self { code: Unavailable, ..self }.retry(),
            OperationName::GetThirdPartyJobDetails if unknown => {
                Self { code: Unavailable, ..self }.after(3).retry()
            }
            _ => self,
        }
    }

    /// Checks everything that is true of every error.
    fn check<R: Debug>(self, operation: OperationName, answer: &Answer<R>, what: &str) {
        let status = answer.status();
        let details = answer.details();
        let info = details.error_info().unwrap_or_else(|| panic!("{what}: no ErrorInfo in {status:?}"));
        let seen = (status.code(), info.reason.as_str(), info.metadata["outcome"].as_str());
        assert_eq!(seen, (self.code, self.reason, self.outcome), "{what}: {status:?}");
        assert_eq!(info.metadata["attempts"], self.attempts.to_string(), "{what}: attempts");
        assert_eq!(info.metadata["region"], REGION, "{what}");
        assert_eq!(info.domain, "codepipeline-gateway", "{what}");
        assert_eq!(details.retry_info().is_some(), self.retry_info, "{what}: RetryInfo");
        let harmful = self.outcome == "unknown" && !is_harmless(operation);
        assert_eq!(answer.header("grpc-retry-pushback-ms"), harmful.then_some("-1"), "{what}: pushback");
        let safe = !matches!(self.code, Unavailable | ResourceExhausted) || !harmful;
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
