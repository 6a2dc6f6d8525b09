//! What a caller asks for and what AWS answers: parsed once, valid from then on, secrets redacted at the type.
//!
//! The limits are those of the AWS model (API reference of `AcknowledgeThirdPartyJob`); characters are Unicode scalar
//! values, as Smithy's `@length` trait counts them.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{Failure, Violation};
use crate::proto;

/// Longest job id, in characters.
pub const MAX_JOB_ID: usize = 512;
/// Longest nonce, in characters.
pub const MAX_NONCE: usize = 50;
/// Longest client token, in characters.
pub const MAX_CLIENT_TOKEN: usize = 256;

/// The unique id of a third-party job: 1 to 512 characters. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobId(String);

/// Shows that the caller was the one who got the job's details: 1 to 50 characters. Secret.
pub struct Nonce(Zeroizing<String>);

/// Shows that the caller may see the job: 1 to 256 characters. Secret.
pub struct ClientToken(Zeroizing<String>);

/// A valid request to acknowledge one job.
#[derive(Debug)]
pub struct AcknowledgeJob {
    /// Which job.
    pub job_id: JobId,
    /// The job's nonce.
    pub nonce: Nonce,
    /// The client token.
    pub client_token: ClientToken,
}

impl AcknowledgeJob {
    /// Takes a request apart into values that are valid by their type.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with every violation at once, fields in the order and spelling of the proto.
    pub fn parse(request: proto::AcknowledgeThirdPartyJobRequest) -> Result<Self, Failure> {
        // Into `Zeroizing` first, so that a refused request wipes its secrets too.
        let nonce = Zeroizing::new(request.nonce);
        let client_token = Zeroizing::new(request.client_token);
        let violations: Vec<Violation> = [
            check_length("job_id", &request.job_id, MAX_JOB_ID),
            check_length("nonce", &nonce, MAX_NONCE),
            check_length("client_token", &client_token, MAX_CLIENT_TOKEN),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !violations.is_empty() {
            return Err(Failure::invalid_request(violations));
        }
        Ok(Self {
            job_id: JobId(request.job_id),
            nonce: Nonce(nonce),
            client_token: ClientToken(client_token),
        })
    }
}

fn check_length(field: &'static str, value: &str, max: usize) -> Option<Violation> {
    if value.is_empty() {
        return Some(Violation { field, description: "must not be empty".into() });
    }
    // A scalar value takes at most four bytes, so most texts need no counting; `nth` stops at the limit.
    let too_long = value.len() > max && value.chars().nth(max).is_some();
    too_long.then(|| Violation { field, description: format!("must have at most {max} characters") })
}

impl JobId {
    /// Whether it can be one.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        check_length("job_id", text, MAX_JOB_ID).is_none()
    }

    /// The id as the caller gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Nonce {
    /// The secret itself, for the request to AWS and for masking.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl ClientToken {
    /// The secret itself, for the request to AWS and for masking.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(redacted)")
    }
}

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientToken(redacted)")
    }
}

/// AWS accepted the acknowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The status exactly as AWS gave it, if it gave one.
    pub aws_status: Option<String>,
    /// AWS's id of the call, if it gave one.
    pub aws_request_id: Option<String>,
}

impl From<&Acknowledgement> for proto::AcknowledgeThirdPartyJobResponse {
    fn from(acknowledgement: &Acknowledgement) -> Self {
        let aws_status = acknowledgement.aws_status.clone().unwrap_or_default();
        Self { status: job_status(&aws_status).into(), aws_status }
    }
}

/// AWS's `JobStatus` (API reference, data type `Job`); a status from the future is `UNSPECIFIED`, never an error.
fn job_status(aws: &str) -> proto::JobStatus {
    match aws {
        "Created" => proto::JobStatus::Created,
        "Queued" => proto::JobStatus::Queued,
        "Dispatched" => proto::JobStatus::Dispatched,
        "InProgress" => proto::JobStatus::InProgress,
        "TimedOut" => proto::JobStatus::TimedOut,
        "Succeeded" => proto::JobStatus::Succeeded,
        "Failed" => proto::JobStatus::Failed,
        _ => proto::JobStatus::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(job_id: &str, nonce: &str, client_token: &str) -> proto::AcknowledgeThirdPartyJobRequest {
        let (job_id, nonce, client_token) = (job_id.into(), nonce.into(), client_token.into());
        proto::AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token }
    }

    fn violated(request: proto::AcknowledgeThirdPartyJobRequest) -> Vec<&'static str> {
        let failure = AcknowledgeJob::parse(request).err();
        failure.map(|f| f.violations.iter().map(|v| v.field).collect()).unwrap_or_default()
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let request = request("job-1", "the-nonce", "the-token");
        let shown = format!("{request:?} {:?}", AcknowledgeJob::parse(request.clone()).unwrap());
        assert!(
            shown.contains("job-1") && !shown.contains("the-nonce") && !shown.contains("the-token"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn a_request_is_valid_exactly_within_the_limits(
            job_id in "\\PC{0,8}|\\PC{505,520}", nonce in "\\PC{0,55}", client_token in "\\PC{0,8}|\\PC{250,262}"
        ) {
            let out = |text: &str, max: usize| !(1..=max).contains(&text.chars().count());
            let mut expected = Vec::new();
            if out(&job_id, 512) { expected.push("job_id"); }
            if out(&nonce, 50) { expected.push("nonce"); }
            if out(&client_token, 256) { expected.push("client_token"); }
            prop_assert_eq!(violated(request(&job_id, &nonce, &client_token)), expected);
        }

        #[test]
        fn any_status_of_aws_is_an_answer(status in "\\PC{0,20}|InProgress|Failed") {
            let acknowledgement = Acknowledgement { aws_status: Some(status.clone()), aws_request_id: None };
            let response = proto::AcknowledgeThirdPartyJobResponse::from(&acknowledgement);
            prop_assert_eq!(&response.aws_status, &status);
            let known = response.status() != proto::JobStatus::Unspecified;
            prop_assert_eq!(known, matches!(&*status, "InProgress" | "Failed"));
        }
    }
}
