//! Parses the entries of the allowlist.

use std::fmt;
use std::str::FromStr;

use crate::methods::Method;
use crate::operations::OperationSet;

/// The prefix of identities from tokens. Identities from certificates have other prefixes.
pub(super) const SUBJECT: &str = "sub:";

/// An allowlist entry. It matches one identity, or every identity with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The identity, or the prefix.
    name: String,
    /// Whether the name is a prefix.
    is_prefix: bool,
    /// The operations that the rule allows; all, if it names none.
    operations: Option<OperationSet>,
}

/// An entry of the list, between two commas: a rule, or a further operation of the rule before it,
/// as in `sub:worker=poll,details`.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A rule, with its first operation if it names some.
    Rule(Rule),
    /// An operation of the rule before it.
    Operation(&'static Method),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.is_prefix { "*" } else { "" })?;
        self.operations.as_ref().map_or(Ok(()), |operations| write!(f, "={operations}"))
    }
}

impl Rule {
    /// Whether the rule matches identities from tokens, and not those from certificates.
    #[must_use]
    pub fn is_for_tokens(&self) -> bool {
        self.name.starts_with(SUBJECT)
    }

    /// Joins entries to rules.
    ///
    /// # Errors
    /// An operation follows no rule that names operations.
    pub fn join(entries: impl IntoIterator<Item = Entry>) -> Result<Vec<Self>, String> {
        let mut rules: Vec<Self> = Vec::new();
        for entry in entries {
            match (entry, rules.last_mut().and_then(|rule| rule.operations.as_mut())) {
                (Entry::Rule(rule), _) => rules.push(rule),
                (Entry::Operation(operation), Some(operations)) => operations.add(operation),
                (Entry::Operation(operation), None) => {
                    let name = operation.short_name;
                    return Err(format!("{name:?} must follow a rule such as sub:worker=poll,{name}"));
                }
            }
        }
        Ok(rules)
    }

    pub(super) fn allows(&self, method: &Method) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(method))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        if self.is_prefix {
            name.len() > self.name.len() && name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        OperationSet::find(text)
            .map_or_else(|| text.parse().map(Self::Rule), |found| Ok(Self::Operation(found)))
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Parses `spiffe://domain/path`, `sub:subject`, or `dns:name`. The first two can end in `/*`
    /// or `:*`. Each can end in `=` and an operation; a `=` before another text is part of the
    /// name.
    fn from_str(text: &str) -> Result<Self, String> {
        let operation = text.rsplit_once('=').and_then(|(name, of)| Some((name, OperationSet::find(of)?)));
        match operation {
            Some((name, operation)) => {
                let operations = Some(OperationSet::new(vec![operation]));
                Ok(Self { operations, ..Self::parse_name(name)? })
            }
            None => Self::parse_name(text),
        }
    }
}

impl Rule {
    fn parse_name(text: &str) -> Result<Self, String> {
        let wildcard = text.strip_suffix('*');
        let name = wildcard.unwrap_or(text);
        let invalid = |why: &str| {
            Err(format!(
                "{why}; use a name such as spiffe://domain/ns/team/*, dns:worker.example or \
                 sub:system:serviceaccount:team:*"
            ))
        };
        if name.contains('*') || name.contains(char::is_whitespace) {
            return invalid("a * can only be the last character, and a space isn't valid");
        }
        if let Some(host) = name.strip_prefix("dns:") {
            return match (host, wildcard) {
                ("", _) => invalid("a dns: name needs a host"),
                (_, Some(_)) => invalid("a dns: name can't have a *"),
                (host, None) => {
                    let name = format!("dns:{}", host.to_ascii_lowercase());
                    Ok(Self { name, is_prefix: false, operations: None })
                }
            };
        }
        // This part is required, so that `spiffe://*` and `sub:*` can't allow every caller.
        let (required, missing) = match (name.strip_prefix("spiffe://"), name.strip_prefix(SUBJECT)) {
            (Some(path), _) => (path.split('/').next(), "a spiffe:// name needs a trust domain"),
            (None, Some(subject)) => (Some(subject), "a sub: name needs a subject"),
            (None, None) => return invalid("an entry needs the prefix spiffe://, dns: or sub:"),
        };
        match (required.is_none_or(str::is_empty), wildcard.is_some()) {
            (true, _) => invalid(missing),
            // Without a separator, `…/ns/team*` would also match `…/ns/team-two`.
            (false, true) if !name.ends_with(['/', ':']) => invalid("a * must follow a / or a :"),
            (false, is_prefix) => Ok(Self { name: name.to_owned(), is_prefix, operations: None }),
        }
    }
}
