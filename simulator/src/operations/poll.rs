//! `PollForThirdPartyJobs`: a worker asks for jobs of an action type.

use std::ops::RangeInclusive;

use serde_json::json;

use super::operation::{Context, Operation};
use crate::config::RedispatchNonce;
use crate::job_store::{JobEntry, JobStore, new_nonce};
use crate::jobs::{ActionType, status};
use crate::protocol::{AwsError, AwsResponse, Input, Text};

const CATEGORY: Text = Text::OneOf(&["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"]);
const OWNER: Text = Text::OneOf(&["AWS", "ThirdParty", "Custom"]);
const PROVIDER: Text = Text::Name(35);
const VERSION: Text = Text::Name(9);

/// The service model has no maximum.
const BATCH_SIZE: RangeInclusive<i32> = 1..=i32::MAX;

/// The batch size of a poll that doesn't name one. AWS documents no default, so this is an
/// assumption.
const DEFAULT_BATCH_SIZE: i32 = 1;

/// The input.
pub(super) struct Poll {
    action_type: ActionType,
    max_batch_size: i32,
}

impl Operation for Poll {
    const SAMPLE: &'static str = concat!(
        r#"{"jobs":[{"clientId":"fa4efa4e-c11e-4000-8000-fa4efa4efa4e","#,
        r#""jobId":"fa4efa4e-0b00-4000-8000-fa4efa4efa4e"}]}"#
    );

    fn parse(input: &mut Input) -> Result<Self, AwsError> {
        Ok(Self {
            action_type: input.required_structure("actionTypeId", action_type)?,
            max_batch_size: input
                .optional_integer("maxBatchSize", &BATCH_SIZE)?
                .unwrap_or(DEFAULT_BATCH_SIZE),
        })
    }

    /// Returns jobs in the order in which they were added, which keeps an abandoned job first.
    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError> {
        let entries = jobs.of_action_type(&self.action_type);
        if entries.is_empty() && !context.config.action_types.contains(&self.action_type) {
            let text = "The specified action type cannot be found.";
            return Err(AwsError::new("ActionTypeNotFoundException", text));
        }
        let limit = usize::try_from(self.max_batch_size).unwrap_or(usize::MAX);
        let due = entries.into_iter().filter(|entry| is_due(entry, context)).take(limit);
        let list: Vec<_> = due
            .map(|entry| {
                dispatch(entry, context);
                json!({ "clientId": entry.job.client_id, "jobId": entry.job.id })
            })
            .collect();
        Ok(AwsResponse::ok(json!({ "jobs": list }).to_string()))
    }
}

fn action_type(input: &mut Input) -> Result<ActionType, AwsError> {
    Ok(ActionType {
        category: input.required_text("category", CATEGORY)?,
        owner: input.required_text("owner", OWNER)?,
        provider: input.required_text("provider", PROVIDER)?,
        version: input.required_text("version", VERSION)?,
    })
}

/// A job is due if it is `Queued`, or if no worker acknowledged it in time after it was dispatched.
fn is_due(entry: &JobEntry, context: &Context<'_>) -> bool {
    // The sum of a time and a long duration would overflow.
    let overdue = || context.now - entry.dispatched_at >= context.config.redispatch_after;
    entry.is(status::QUEUED) || (entry.is(status::DISPATCHED) && overdue())
}

fn dispatch(entry: &mut JobEntry, context: &Context<'_>) {
    let again = entry.is(status::DISPATCHED);
    if again && context.config.redispatch_nonce == RedispatchNonce::New {
        entry.job.nonce = new_nonce();
    }
    status::DISPATCHED.clone_into(&mut entry.job.status);
    entry.dispatched_at = context.now;
    entry.ledger.dispatched += 1;
}
