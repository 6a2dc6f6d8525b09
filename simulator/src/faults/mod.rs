//! The faults of the Rust API, the job file, and the control API. Their JSON is externally tagged,
//! `{"error": {"code": "ThrottlingException"}}`, so that a misspelled key is an error with its line
//! and column.

mod fault;
mod planned;
mod responses;

pub use self::fault::{CallMoment, ConnectionFault, ConnectionMoment, Fault, Then};
pub use self::planned::PlannedFault;
pub(crate) use self::planned::{at_least_once, once};
pub(crate) use self::responses::has_framing;
pub use self::responses::{AnswerFault, ErrorFault, MessageKey, Shape};
