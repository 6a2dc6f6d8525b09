//! What the gateway shows of itself. Logs so far: one line a call, and what an operator has to know.

mod calls;
mod logs;

pub(crate) use calls::CallLog;
pub use logs::{LogFormat, init, parse_filter};
