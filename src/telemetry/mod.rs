//! What the gateway shows of itself: a log line a call, metrics, and what an operator has to know.

mod by_method;
mod calls;
mod json;
mod logs;
mod metrics;
mod process;
mod traces;

pub(crate) use calls::CallRecord;
pub use logs::{LogFormat, init};
pub(crate) use metrics::AttemptResult;
pub use metrics::Metrics;
pub(crate) use traces::{AttemptSpan, AwsPlace};
pub use traces::{TraceSettings, Traces};
