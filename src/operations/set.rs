//! A set of operations, as an operator writes it: `poll,details,acknowledge`.

use std::fmt;
use std::ptr;

use crate::methods::{Method, Role};

/// Some of the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSet(Vec<&'static Method>);

impl OperationSet {
    /// Every operation.
    #[must_use]
    pub fn all() -> Self {
        Self(Method::operations().collect())
    }

    /// The operation with this short name.
    #[must_use]
    pub fn find(short_name: &str) -> Option<&'static Method> {
        Method::operations().find(|method| method.short_name == short_name)
    }

    /// A set of these operations.
    #[must_use]
    pub fn new(operations: Vec<&'static Method>) -> Self {
        Self(operations)
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: &'static Method) {
        self.0.push(operation);
    }

    /// Whether a method can be called. Methods that aren't operations, such as health checks,
    /// are always possible.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        method.role != Role::Job || self.0.iter().any(|of_set| ptr::eq(*of_set, method))
    }

    /// The operations, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Method> {
        Method::operations().filter(|method| self.contains(method))
    }
}

impl Default for OperationSet {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Display for OperationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(|method| method.short_name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{ACKNOWLEDGE, POLL, SUCCESS};

    #[test]
    fn a_set_is_shown_in_the_order_of_the_table() {
        let set =
            OperationSet::new(["acknowledge", "poll"].map(|name| OperationSet::find(name).unwrap()).into());
        assert_eq!(set.to_string(), "poll,acknowledge");
        assert!(set.contains(&ACKNOWLEDGE) && set.contains(&POLL) && !set.contains(&SUCCESS));
        assert!(set.contains(Method::of("/grpc.health.v1.Health/Check")), "health is no operation");
        assert!(OperationSet::all().to_string().starts_with("poll,details,acknowledge,success,failure"));
        assert!(["", "Poll", "unknown"].iter().all(|name| OperationSet::find(name).is_none()));
    }
}
