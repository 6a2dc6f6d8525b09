//! The parts of an operation that differ from one to the next.

use time::OffsetDateTime;

use crate::config::Config;
use crate::job_store::JobStore;
use crate::protocol::{AwsError, AwsResponse, Input, Text};

pub(super) const JOB_ID: Text = Text::Length(512);
pub(super) const CLIENT_TOKEN: Text = Text::Length(256);
pub(super) const EXECUTION_ID: Text = Text::Length(1500);

/// One operation with its input.
pub(super) trait Operation: Sized {
    /// The body of a typical success, for faults that send a body without processing the call.
    const SAMPLE: &'static str;

    /// Reads the input. An error is a member of the wrong type. Every other violation is in
    /// `input`.
    fn parse(input: &mut Input) -> Result<Self, AwsError>;

    /// Decides on the jobs.
    fn run(self, jobs: &mut JobStore, context: &Context<'_>) -> Result<AwsResponse, AwsError>;
}

/// The settings and the time of a call.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: OffsetDateTime,
}
