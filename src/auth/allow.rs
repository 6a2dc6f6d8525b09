//! The list of who may call.

use std::str::FromStr;

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

impl Rule {
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

    /// `spiffe://domain/path`, whose path may end in `/*` or `:*`; or `dns:name`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wildcard = text.strip_suffix('*');
        let name = wildcard.unwrap_or(text);
        let bad = |why: &str| {
            Err(format!("{why}; a name looks like spiffe://domain/ns/team/* or dns:worker.example"))
        };
        if name.contains('*') || name.contains(char::is_whitespace) {
            return bad("a * may only stand at the end, and there are no spaces");
        }
        if let Some(path) = name.strip_prefix("spiffe://") {
            let domain = path.split('/').next().unwrap_or_default();
            return match (domain.is_empty(), wildcard.is_some()) {
                (true, _) => bad("it has no trust domain"),
                // Without the separator `…/ns/team*` would allow `…/ns/team-of-somebody-else`.
                (false, true) if !name.ends_with(['/', ':']) => bad("a * may only follow a / or a :"),
                // `spiffe://*` is refused above; `spiffe://domain*` just here.
                (false, any_rest) => Ok(Self { name: name.to_owned(), any_rest }),
            };
        }
        match name.strip_prefix("dns:") {
            Some(_) if wildcard.is_some() => bad("a dns: name takes no *"),
            Some("") | None => bad("it is neither a spiffe:// nor a dns: name"),
            Some(host) => Ok(Self { name: format!("dns:{}", host.to_ascii_lowercase()), any_rest: false }),
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
            "sub:x",
            "spiffe://a/b c",
        ] {
            assert!(rule.parse::<Rule>().is_err(), "{rule:?}");
        }
        assert!(AllowList::new(Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn no_rule_panics_and_none_allows_the_nameless(rule in "(spiffe://|dns:)?[a-z/:*. ]{0,20}", name in "\\PC{0,20}") {
            if let Ok(rule) = rule.parse::<Rule>() {
                prop_assert!(!rule.has(""));
                let _ = rule.has(&name);
            }
        }
    }
}
