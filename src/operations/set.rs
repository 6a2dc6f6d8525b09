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

    /// The set of these short names, with commas between them.
    ///
    /// # Errors
    /// One of them isn't the name of an operation.
    pub fn parse(list: &str) -> Result<Self, String> {
        let methods = list.split(',').map(|name| {
            Self::find(name.trim()).ok_or_else(|| {
                let known: Vec<&str> = Method::operations().map(|method| method.short_name).collect();
                format!("{:?} isn't an operation; the operations are {}", name.trim(), known.join(", "))
            })
        });
        Ok(Self(methods.collect::<Result<_, _>>()?))
    }

    /// A set of this operation alone.
    #[must_use]
    pub fn only(operation: &'static Method) -> Self {
        Self(vec![operation])
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: &'static Method) {
        self.0.push(operation);
    }

    /// Whether a method may be called. Methods that aren't operations, such as health checks, may always be.
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
    use crate::methods::{ACKNOWLEDGE, POLL};

    #[test]
    fn a_set_is_read_in_any_order_and_shown_in_the_tables() {
        let set = OperationSet::parse("acknowledge, poll").unwrap();
        assert_eq!(set.to_string(), "poll,acknowledge");
        assert!(set.contains(&ACKNOWLEDGE) && set.contains(&POLL));
        assert!(!set.contains(&crate::methods::SUCCESS));
        assert!(set.contains(Method::of("/grpc.health.v1.Health/Check")), "health is no operation");
        assert_eq!(OperationSet::all().to_string(), "poll,details,acknowledge,success,failure");
        for bad in ["", "poll,", "Poll", "poll,unknown"] {
            assert!(OperationSet::parse(bad).is_err(), "{bad:?}");
        }
    }
}
