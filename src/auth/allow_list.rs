//! Matches the identities of callers against the allowlist.

use std::fmt;
use std::str::FromStr;

/// The prefix of identities from tokens. Identities from certificates have other prefixes.
pub(super) const SUBJECT: &str = "sub:";

/// The allowlist. It allows a caller if one of the rules matches one of the caller's identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<Rule>);

/// An allowlist entry. It matches one identity, or every identity with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The identity, or the prefix.
    name: String,
    /// Whether the name is a prefix.
    is_prefix: bool,
}

impl AllowList {
    /// Creates a list of at least one rule.
    ///
    /// # Errors
    /// The list is empty. It would allow no caller, so it is a configuration mistake.
    pub fn new(rules: Vec<Rule>) -> Result<Self, &'static str> {
        if rules.is_empty() { Err("the list is empty, so nobody could call") } else { Ok(Self(rules)) }
    }

    /// Whether a rule matches this identity.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.matches(name))
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&rules.join(", "))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.is_prefix { "*" } else { "" })
    }
}

impl Rule {
    /// Whether the rule matches identities from tokens, and not those from certificates.
    #[must_use]
    pub fn is_for_tokens(&self) -> bool {
        self.name.starts_with(SUBJECT)
    }

    fn matches(&self, name: &str) -> bool {
        if self.is_prefix {
            name.len() > self.name.len() && name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Parses `spiffe://domain/path`, `sub:subject`, or `dns:name`. The first two can end in `/*`
    /// or `:*`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wildcard = text.strip_suffix('*');
        let name = wildcard.unwrap_or(text);
        let invalid = |why: &str| {
            Err(format!(
                "{why}; a name looks like spiffe://domain/ns/team/*, dns:worker.example or \
                 sub:system:serviceaccount:team:*"
            ))
        };
        if name.contains('*') || name.contains(char::is_whitespace) {
            return invalid("a * may only stand at the end, and there are no spaces");
        }
        if let Some(host) = name.strip_prefix("dns:") {
            return match (host, wildcard) {
                ("", _) => invalid("it has no host"),
                (_, Some(_)) => invalid("a dns: name takes no *"),
                (host, None) => {
                    Ok(Self { name: format!("dns:{}", host.to_ascii_lowercase()), is_prefix: false })
                }
            };
        }
        // This part is required, so that `spiffe://*` and `sub:*` can't allow every caller.
        let (required, missing) = match (name.strip_prefix("spiffe://"), name.strip_prefix(SUBJECT)) {
            (Some(path), _) => (path.split('/').next(), "it has no trust domain"),
            (None, Some(subject)) => (Some(subject), "it has no subject"),
            (None, None) => return invalid("it is neither a spiffe:// nor a dns: nor a sub: name"),
        };
        match (required.is_none_or(str::is_empty), wildcard.is_some()) {
            (true, _) => invalid(missing),
            // Without a separator, `…/ns/team*` would also match `…/ns/team-two`.
            (false, true) if !name.ends_with(['/', ':']) => invalid("a * may only follow a / or a :"),
            (false, is_prefix) => Ok(Self { name: name.to_owned(), is_prefix }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(rule: &str, name: &str) -> bool {
        AllowList::new(vec![rule.parse().unwrap()]).unwrap().allows(name)
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
