//! PollForThirdPartyJobs: a job worker asks for jobs, or waits for them.

use std::time::Duration;

use super::Operation;
use super::action_type::ActionType;
use super::fields::Violations;
use super::policy::Policy;
use crate::call::Subject;
use crate::error::{Failure, Outcome};
use crate::methods::{self, Method};
use crate::proto::{PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse, ThirdPartyJob};

/// The longest category and owner, in characters. The service model lists their values, and all are
/// shorter.
const MAX_NAME: usize = 35;
/// The longest provider, in characters.
const MAX_PROVIDER: usize = 35;
/// The longest version, in characters.
const MAX_VERSION: usize = 9;
/// The maximum batch size of the gateway. AWS has none.
pub(crate) const MAX_BATCH_SIZE: usize = 100;
/// The longest time that a call can wait for jobs.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A valid request for jobs.
#[derive(Debug)]
pub struct Poll {
    /// The action type of the jobs.
    pub action_type: ActionType,
    /// The maximum number of jobs, if the caller set one.
    pub max_batch_size: Option<i32>,
    /// How long the call waits for jobs. Without it, the call returns what AWS has now.
    pub wait: Option<Duration>,
}

impl Poll {
    /// The number of jobs that a waiting call takes: one, unless the caller set a number.
    pub(crate) fn capacity(&self) -> usize {
        self.max_batch_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(1)
    }
}

/// A job that AWS dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolledJob {
    /// The job's id.
    pub job_id: String,
    /// The id of the client that the job belongs to.
    pub client_id: String,
}

impl Operation for Poll {
    const METHOD: &'static Method = &methods::POLL;
    type Request = PollForThirdPartyJobsRequest;
    type Response = PollForThirdPartyJobsResponse;
    type Output = Vec<PolledJob>;

    fn describe(request: &Self::Request, subject: &Subject) {
        if let Some(id) = &request.action_type_id {
            let (category, owner) = (&id.category, &id.owner);
            subject.set_action_type(&format!("{category}/{owner}/{}/{}", id.provider, id.version));
        }
    }

    fn parse(request: Self::Request) -> Result<Self, Failure> {
        let mut violations = Violations::default();
        let id = request.action_type_id.unwrap_or_default();
        violations.check_name("action_type_id.category", &id.category, MAX_NAME);
        violations.check_name("action_type_id.owner", &id.owner, MAX_NAME);
        violations.check_name("action_type_id.provider", &id.provider, MAX_PROVIDER);
        violations.check_name("action_type_id.version", &id.version, MAX_VERSION);
        let is_batch =
            |size: i32| usize::try_from(size).is_ok_and(|size| (1..=MAX_BATCH_SIZE).contains(&size));
        if request.max_batch_size.is_some_and(|size| !is_batch(size)) {
            violations.add("max_batch_size", "must be from 1 to 100");
        }
        let wait = request.wait.map_or(Some(Duration::ZERO), duration);
        if wait.is_none_or(|wait| wait > MAX_WAIT) {
            violations.add("wait", "must be from 0 to 30 seconds");
        }
        violations.into_result()?;
        let action_type =
            ActionType { category: id.category, owner: id.owner, provider: id.provider, version: id.version };
        Ok(Self {
            action_type,
            max_batch_size: request.max_batch_size,
            wait: wait.filter(|wait| !wait.is_zero()),
        })
    }

    fn check(&self, policy: &Policy) -> Result<(), Failure> {
        policy.check(Some(&self.action_type), Outcome::NotSent)
    }

    fn describe_output(output: &Self::Output, subject: &Subject) {
        subject.set_jobs(output.iter().map(|job| (job.job_id.as_str(), job.client_id.as_str())));
    }

    fn respond(output: Self::Output) -> Self::Response {
        let jobs =
            output.into_iter().map(|PolledJob { job_id, client_id }| ThirdPartyJob { job_id, client_id });
        PollForThirdPartyJobsResponse { jobs: jobs.collect() }
    }
}

/// The duration, unless it is negative or malformed. prost's own conversion can overflow.
fn duration(prost_types::Duration { seconds, nanos }: prost_types::Duration) -> Option<Duration> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::violated;
    use super::*;
    use crate::proto::ActionTypeId;

    #[test]
    fn a_missing_action_type_violates_all_four_parts() {
        let parts = ["category", "owner", "provider", "version"].map(|part| format!("action_type_id.{part}"));
        assert_eq!(violated::<Poll>(PollForThirdPartyJobsRequest::default()), parts);
    }

    proptest! {
        #[test]
        fn a_request_is_valid_exactly_within_the_limits(
            category in "[A-Za-z]{0,3}|\\PC{0,4}", owner in "[A-Za-z]{0,40}",
            provider in "[0-9A-Za-z_-]{0,40}|\\PC{0,3}",
            version in "[0-9A-Za-z_-]{0,11}", size in proptest::option::of(-2..104),
        ) {
            let out = |text: &str, max: usize| {
                !(1..=max).contains(&text.len())
                    || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            };
            let mut expected = Vec::new();
            if out(&category, 35) { expected.push("action_type_id.category"); }
            if out(&owner, 35) { expected.push("action_type_id.owner"); }
            if out(&provider, 35) { expected.push("action_type_id.provider"); }
            if out(&version, 9) { expected.push("action_type_id.version"); }
            if size.is_some_and(|size| !(1..=100).contains(&size)) { expected.push("max_batch_size"); }
            let id = ActionTypeId { category, owner, provider, version };
            let request = PollForThirdPartyJobsRequest {
                action_type_id: Some(id),
                max_batch_size: size,
                ..PollForThirdPartyJobsRequest::default()
            };
            prop_assert_eq!(violated::<Poll>(request), expected);
        }
    }
}
