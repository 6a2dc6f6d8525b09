//! Log, metrics, and traces.

mod access_log;
mod aws_metrics;
mod grpc_code;
mod grpc_metrics;
mod json;
mod labels;
mod logging;
mod metrics;
mod process;
mod traces;

pub(crate) use access_log::{AccessLogEntry, PeerAddress};
pub(crate) use aws_metrics::AttemptResult;
pub use logging::{LogFormat, init};
pub use metrics::Metrics;
pub(crate) use traces::{AttemptSpan, AwsEndpoint};
pub use traces::{TraceSettings, Traces};
