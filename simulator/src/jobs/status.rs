//! The job statuses that the simulator sets itself.

pub(crate) const QUEUED: &str = "Queued";
pub(crate) const DISPATCHED: &str = "Dispatched";
pub(crate) const IN_PROGRESS: &str = "InProgress";
pub(crate) const SUCCEEDED: &str = "Succeeded";
pub(crate) const FAILED: &str = "Failed";
pub(crate) const TIMED_OUT: &str = "TimedOut";
