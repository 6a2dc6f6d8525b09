//! A fault with its count and its operation.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::fault::Fault;
use crate::operations::name::OperationName;

/// A fault, its count, and the operation to which it is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The fault.
    pub fault: Fault,
    /// The number of calls to which it applies. The default is 1.
    #[serde(default = "once", deserialize_with = "at_least_once")]
    pub times: u32,
    /// The only operation to which it applies. By default, it applies to every operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationName>,
}

pub(crate) const fn once() -> u32 {
    1
}

pub(crate) fn at_least_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("`times` must be at least 1")),
        times => Ok(times),
    }
}
