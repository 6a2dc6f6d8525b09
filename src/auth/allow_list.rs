//! The list of who may call.

use std::fmt;
use std::str::FromStr;

/// How the names begin that tokens give their callers; the others are of certificates.
pub(super) const SUBJECT: &str = "sub:";

/// Who may call: any caller with a name that one of the rules has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<Rule>);

/// One name, or every name with one beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name, or its beginning.
    name: String,
    /// Whether any rest may follow.
    any_rest: bool,
}

impl AllowList {
    /// A list of these; there has to be one.
    ///
    /// # Errors
    /// An empty list would allow nobody, and is somebody's mistake.
    pub fn new(rules: Vec<Rule>) -> Result<Self, &'static str> {
        if rules.is_empty() { Err("the list is empty, so nobody could call") } else { Ok(Self(rules)) }
    }

    /// Whether a rule has this name.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.has(name))
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
        write!(f, "{}{}", self.name, if self.any_rest { "*" } else { "" })
    }
}

impl Rule {
    /// Whether it is about the subject of a token, and not about a name in a certificate.
    #[must_use]
    pub fn is_for_tokens(&self) -> bool {
        self.name.starts_with(SUBJECT)
    }

    fn has(&self, name: &str) -> bool {
        if self.any_rest {
            name.len() > self.name.len() && name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    /// `spiffe://domain/path` and `sub:subject`, which may end in `/*` or `:*`; or `dns:name`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wildcard = text.strip_suffix('*');
        let name = wildcard.unwrap_or(text);
        let bad = |why: &str| {
            Err(format!(
                "{why}; a name looks like spiffe://domain/ns/team/*, dns:worker.example or sub:system:serviceaccount:team:*"
            ))
        };
        if name.contains('*') || name.contains(char::is_whitespace) {
            return bad("a * may only stand at the end, and there are no spaces");
        }
        if let Some(host) = name.strip_prefix("dns:") {
            return match (host, wildcard) {
                ("", _) => bad("it has no host"),
                (_, Some(_)) => bad("a dns: name takes no *"),
                (host, None) => {
                    Ok(Self { name: format!("dns:{}", host.to_ascii_lowercase()), any_rest: false })
                }
            };
        }
        // What has to be there, so that no rule allows everybody: `spiffe://*` and `sub:*` are refused.
        let (least, missing) = match (name.strip_prefix("spiffe://"), name.strip_prefix(SUBJECT)) {
            (Some(path), _) => (path.split('/').next(), "it has no trust domain"),
            (None, Some(subject)) => (Some(subject), "it has no subject"),
            (None, None) => return bad("it is neither a spiffe:// nor a dns: nor a sub: name"),
        };
        match (least.is_none_or(str::is_empty), wildcard.is_some()) {
            (true, _) => bad(missing),
            // Without the separator `…/ns/team*` would allow `…/ns/team-of-somebody-else`.
            (false, true) if !name.ends_with(['/', ':']) => bad("a * may only follow a / or a :"),
            (false, any_rest) => Ok(Self { name: name.to_owned(), any_rest }),
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
    fn a_rule_has_its_name_or_every_name_with_its_beginning() {
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
        // A subject can't pass for a name in a certificate, nor the other way round.
        assert!(!allows("dns:worker.example", "sub:dns:worker.example"));
        assert!(!allows("sub:dns:worker.example", "dns:worker.example"));
    }

    #[test]
    fn a_rule_that_would_allow_more_than_it_seems_is_refused() {
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
        fn no_rule_panics_and_none_allows_the_nameless(rule in "(spiffe://|dns:|sub:)?[a-z/:*. ]{0,20}", name in "\\PC{0,20}") {
            if let Ok(rule) = rule.parse::<Rule>() {
                prop_assert!(!rule.has("") && !rule.has("sub:") && !rule.has("dns:") && !rule.has("spiffe://"));
                let _ = rule.has(&name);
            }
        }
    }
}
