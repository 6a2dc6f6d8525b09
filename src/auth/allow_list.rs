//! Matches the identities of callers against the allowlist.

use std::fmt;

use super::rule::Rule;
use crate::error::{Failure, Reason};
use crate::methods::Method;

/// The allowlist. It allows a caller if one of the rules matches one of the caller's identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<Rule>);

/// How far an allowlist allows a caller, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Allowed {
    /// The caller can make the call.
    Yes,
    /// A rule matches the caller, but none that does allows the operation.
    NotThisOperation,
    /// No rule matches the caller.
    No,
}

impl Allowed {
    /// # Errors
    /// `CALLER_NOT_ALLOWED`, unless the caller can make the call.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        let failure = Failure::not_sent(Reason::CallerNotAllowed);
        match self {
            Self::Yes => Ok(()),
            Self::NotThisOperation => Err(failure.with_message(
                "Your identity isn't allowed to call this operation. Nothing was sent. Ask the gateway's \
                 operator to allow it.",
            )),
            Self::No => Err(failure),
        }
    }
}

impl AllowList {
    /// Creates a list of at least one rule.
    ///
    /// # Errors
    /// The list is empty. It would allow no caller, so it is a configuration mistake.
    pub fn new(rules: Vec<Rule>) -> Result<Self, &'static str> {
        if rules.is_empty() { Err("add at least one identity") } else { Ok(Self(rules)) }
    }

    /// Whether a caller with this identity can call this method.
    pub(super) fn check(&self, name: &str, method: &Method) -> Allowed {
        let matching = self.0.iter().filter(|rule| rule.matches(name));
        let allowed =
            matching.map(|rule| if rule.allows(method) { Allowed::Yes } else { Allowed::NotThisOperation });
        allowed.min().unwrap_or(Allowed::No)
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&rules.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rule::Entry;
    use super::*;
    use crate::methods::{ACKNOWLEDGE, POLL};

    fn list(text: &str) -> AllowList {
        let entries = text.split(',').map(|entry| entry.parse::<Entry>().unwrap());
        AllowList::new(Rule::join(entries).unwrap()).unwrap()
    }

    fn allows(rule: &str, name: &str) -> bool {
        list(rule).check(name, &ACKNOWLEDGE) == Allowed::Yes
    }

    #[test]
    fn a_rule_can_name_its_operations() {
        let list = list("sub:reader=poll,details,sub:worker,sub:team:*=acknowledge");
        let check = |name: &str, method| list.check(name, method);
        assert_eq!(check("sub:reader", &POLL), Allowed::Yes);
        assert_eq!(check("sub:reader", &ACKNOWLEDGE), Allowed::NotThisOperation);
        assert_eq!(check("sub:worker", &ACKNOWLEDGE), Allowed::Yes);
        assert_eq!(check("sub:team:a", &ACKNOWLEDGE), Allowed::Yes);
        assert_eq!(check("sub:team:a", &POLL), Allowed::NotThisOperation);
        assert_eq!(check("sub:other", &POLL), Allowed::No);
        assert_eq!(list.to_string(), "sub:reader=poll,details, sub:worker, sub:team:*=acknowledge");
        let health = Method::of("/grpc.health.v1.Health/Check");
        assert_eq!(check("sub:reader", health), Allowed::Yes, "health and reflection are no operations");
    }

    #[test]
    fn an_equals_sign_before_another_text_is_part_of_the_name() {
        assert!(allows("sub:a=b", "sub:a=b"));
        assert!(allows("sub:a=poll=acknowledge", "sub:a=poll"), "the last one counts");
        assert!(!allows("sub:a=acknowledge", "sub:a=acknowledge"));
        assert!("sub:a*=poll".parse::<Entry>().is_err(), "the name is checked all the same");
        let stray = ["sub:a", "poll"].map(|entry| entry.parse().unwrap());
        assert!(Rule::join(stray).is_err(), "an operation follows a rule that names some");
    }

    #[test]
    fn a_rule_matches_one_identity_or_every_identity_with_a_prefix() {
        assert!(allows("spiffe://a/ns/x/sa/y", "spiffe://a/ns/x/sa/y"));
        assert!(!allows("spiffe://a/ns/x/sa/y", "spiffe://a/ns/x/sa/y/z"));
        assert!(allows("spiffe://a/ns/x/*", "spiffe://a/ns/x/sa/y"));
        assert!(!allows("spiffe://a/ns/x/*", "spiffe://a/ns/x/"));
        assert!(!allows("spiffe://a/ns/x/*", "spiffe://a/ns/x2/sa/y"));
        assert!(allows("dns:Worker.Example", "dns:worker.example"));
        assert!(!allows("dns:worker.example", "dns:other.worker.example"));
        assert!(allows("sub:system:serviceaccount:builds:worker", "sub:system:serviceaccount:builds:worker"));
        assert!(!allows(
            "sub:system:serviceaccount:builds:worker",
            "sub:system:serviceaccount:builds:worker2"
        ));
        assert!(allows("sub:system:serviceaccount:builds:*", "sub:system:serviceaccount:builds:worker"));
        assert!(!allows("sub:system:serviceaccount:builds:*", "sub:system:serviceaccount:builds:"));
        assert!(!allows("sub:system:serviceaccount:builds:*", "sub:system:serviceaccount:builds2:worker"));
        assert!(allows("sub:repo/main/*", "sub:repo/main/x") && !allows("sub:Worker", "sub:worker"));
        // A rule for tokens matches no identity from a certificate, and the other way round.
        assert!(!allows("dns:worker.example", "sub:dns:worker.example"));
        assert!(!allows("sub:dns:worker.example", "dns:worker.example"));
    }

    #[test]
    fn a_rule_that_would_match_more_than_it_seems_is_rejected() {
        for rule in [
            "",
            "*",
            "spiffe://",
            "spiffe://*",
            "spiffe://a*",
            "spiffe://a/ns/x*",
            "spiffe://a/*/b",
            "dns:",
            "dns:*",
            "dns:*.example",
            "worker",
            "sub:",
            "sub:*",
            "sub:worker*",
            "sub:a:*:b",
            "sub:a b",
            "SUB:a",
            "spiffe://a/b c",
        ] {
            assert!(rule.parse::<Rule>().is_err(), "{rule:?}");
        }
        assert!(AllowList::new(Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn no_rule_panics_or_matches_an_empty_identity(
            rule in "(spiffe://|dns:|sub:)?[a-z/:*. ]{0,20}",
            name in "\\PC{0,20}",
        ) {
            if let Ok(rule) = rule.parse::<Rule>() {
                for empty in ["", "sub:", "dns:", "spiffe://"] {
                    prop_assert!(!rule.matches(empty));
                }
                let _ = rule.matches(&name);
            }
        }
    }
}
