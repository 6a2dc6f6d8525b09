//! The operations of the API, one file per operation.

mod acknowledge;
mod details;
mod failure;
pub(crate) mod name;
mod operation;
mod poll;
mod success;

use serde_json::Value;

use self::acknowledge::Acknowledge;
use self::details::Details;
use self::failure::Failure;
use self::name::OperationName;
pub(crate) use self::operation::Context;
use self::operation::Operation;
use self::poll::Poll;
use self::success::Success;
use crate::job_store::JobStore;
use crate::protocol::{AwsError, AwsResponse, Input};

/// The body for a fault on a call whose operation is unknown.
const EMPTY: &str = "{}";

struct Handler {
    process: fn(Value, &mut JobStore, &Context<'_>) -> Result<AwsResponse, AwsError>,
    sample: &'static str,
}

const fn handler(name: OperationName) -> Handler {
    match name {
        OperationName::PollForThirdPartyJobs => handler_of::<Poll>(),
        OperationName::GetThirdPartyJobDetails => handler_of::<Details>(),
        OperationName::AcknowledgeThirdPartyJob => handler_of::<Acknowledge>(),
        OperationName::PutThirdPartyJobSuccessResult => handler_of::<Success>(),
        OperationName::PutThirdPartyJobFailureResult => handler_of::<Failure>(),
    }
}

const fn handler_of<O: Operation>() -> Handler {
    Handler { process: process_as::<O>, sample: O::SAMPLE }
}

/// Processes a call with this body.
pub(crate) fn process(
    name: OperationName,
    body: Value,
    jobs: &mut JobStore,
    context: &Context<'_>,
) -> Result<AwsResponse, AwsError> {
    (handler(name).process)(body, jobs, context)
}

/// The body of a typical success.
pub(crate) fn sample(name: Option<OperationName>) -> &'static str {
    name.map_or(EMPTY, |name| handler(name).sample)
}

/// The order of the checks is AWS's: types first, then all violations together, then the jobs.
fn process_as<O: Operation>(
    body: Value,
    jobs: &mut JobStore,
    context: &Context<'_>,
) -> Result<AwsResponse, AwsError> {
    let mut input = Input::new(body)?;
    let operation = O::parse(&mut input)?;
    input.finish()?;
    operation.run(jobs, context)
}
