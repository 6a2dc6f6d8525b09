//! Selects the fault for the next call or connection.

use std::collections::{HashMap, VecDeque};

use crate::faults::{ConnectionFault, Fault, PlannedFault};
use crate::operations::name::OperationName;

/// The faults that still apply to future calls and connections.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    by_job: HashMap<String, VecDeque<PlannedFault>>,
    next: VecDeque<PlannedFault>,
    connections: VecDeque<(u32, ConnectionFault)>,
}

impl Plan {
    pub(crate) fn add_next(&mut self, fault: PlannedFault) {
        self.next.push_back(fault);
    }

    pub(crate) fn add_connections(&mut self, times: u32, fault: ConnectionFault) {
        self.connections.push_back((times, fault));
    }

    pub(crate) fn add_job(&mut self, id: String, fault: PlannedFault) {
        self.by_job.entry(id).or_default().push_back(fault);
    }

    pub(crate) fn replace_job(&mut self, id: &str, faults: Vec<PlannedFault>) {
        self.by_job.insert(id.to_owned(), faults.into());
    }

    pub(crate) fn of_job(&self, id: &str) -> Vec<PlannedFault> {
        self.by_job.get(id).map(|faults| faults.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the fault for a call and decrements its count. The faults of the call's job come
    /// before those for any job.
    pub(crate) fn take(&mut self, job_id: Option<&str>, operation: Option<OperationName>) -> Option<Fault> {
        let of_job = job_id.and_then(|id| self.by_job.get_mut(id));
        of_job.and_then(|faults| take_one(faults, operation)).or_else(|| take_one(&mut self.next, operation))
    }

    /// Takes the fault for a new connection and decrements its count.
    pub(crate) fn take_connection(&mut self) -> Option<ConnectionFault> {
        // The Rust API accepts a fault with a count of zero. Such a fault never applies.
        self.connections.retain(|(times, _)| *times > 0);
        let (times, fault) = self.connections.front_mut()?;
        *times -= 1;
        Some(*fault)
    }
}

/// Takes the first fault that applies to the operation. Faults of other operations stay.
fn take_one(faults: &mut VecDeque<PlannedFault>, operation: Option<OperationName>) -> Option<Fault> {
    // The Rust API accepts a fault with a count of zero. Such a fault never applies.
    faults.retain(|planned| planned.times > 0);
    let applies = |planned: &PlannedFault| planned.operation.is_none_or(|only| operation == Some(only));
    let index = faults.iter().position(applies)?;
    let planned = faults.get_mut(index)?;
    planned.times -= 1;
    if planned.times > 0 {
        return Some(planned.fault.clone());
    }
    faults.remove(index).map(|planned| planned.fault)
}
