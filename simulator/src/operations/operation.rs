//! The parts of an operation that differ from one to the next.

use crate::job_store::JobStore;
use crate::protocol::{AwsError, AwsResponse, Input, Text};

pub(super) const JOB_ID: Text = Text::Length(512);
pub(super) const CLIENT_TOKEN: Text = Text::Length(256);

/// One operation with its input.
pub(super) trait Operation: Sized {
    /// The body of a typical success, for faults that send a body without processing the call.
    const SAMPLE: &'static str;

    /// Reads the input. An error is a member of the wrong type. Every other violation is in
    /// `input`.
    fn parse(input: &mut Input) -> Result<Self, AwsError>;

    /// Decides on the jobs.
    fn run(self, jobs: &mut JobStore) -> Result<AwsResponse, AwsError>;
}
