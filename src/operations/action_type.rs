//! The type of a pipeline's action, and the list of those that the gateway's operator allows.

use std::fmt;
use std::str::FromStr;

use crate::proto;

/// An action type: category, owner, provider, and version. Not a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ActionType {
    /// What the action does, such as `Deploy`.
    pub category: String,
    /// Who created the action type, such as `ThirdParty`.
    pub owner: String,
    /// The provider that the partner registered.
    pub provider: String,
    /// The version of the action type.
    pub version: String,
}

impl fmt::Display for ActionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.category, self.owner, self.provider, self.version)
    }
}

impl From<ActionType> for proto::ActionTypeId {
    fn from(ActionType { category, owner, provider, version }: ActionType) -> Self {
        Self { category, owner, provider, version }
    }
}

/// The allowed action types. An empty list allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionTypes(Vec<Pattern>);

/// An action type with a `*` for each part that can be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(ActionType);

impl ActionTypes {
    /// A list of these patterns.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Whether an action type is allowed. One that AWS didn't name is allowed only if all are.
    #[must_use]
    pub fn allows(&self, action_type: Option<&ActionType>) -> bool {
        self.0.is_empty() || action_type.is_some_and(|of| self.0.iter().any(|pattern| pattern.matches(of)))
    }
}

impl fmt::Display for ActionTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<String> = self.0.iter().map(|Pattern(pattern)| pattern.to_string()).collect();
        f.write_str(if patterns.is_empty() { "any" } else { "" })?;
        f.write_str(&patterns.join(", "))
    }
}

impl Pattern {
    fn matches(&self, action_type: &ActionType) -> bool {
        let Self(pattern) = self;
        let part = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        part(&pattern.category, &action_type.category)
            && part(&pattern.owner, &action_type.owner)
            && part(&pattern.provider, &action_type.provider)
            && part(&pattern.version, &action_type.version)
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let [category, owner, provider, version] = parts[..] else {
            return Err(
                "use four parts such as Deploy/ThirdParty/my-provider/1; a * stands for a whole part",
            );
        };
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(is_name_byte);
        if !parts.iter().all(|part| *part == "*" || is_name(part)) {
            return Err("each part must be a *, or have only letters, digits, hyphens, and underscores");
        }
        let [category, owner, provider, version] = [category, owner, provider, version].map(str::to_owned);
        Ok(Self(ActionType { category, owner, provider, version }))
    }
}

/// Whether a byte can be part of a name in an action type: the service model's pattern
/// `[0-9A-Za-z_-]+`.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action_type(text: &str) -> ActionType {
        text.parse::<Pattern>().unwrap().0
    }

    fn allows(patterns: &[&str], text: &str) -> bool {
        let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        ActionTypes::new(patterns).allows(Some(&action_type(text)))
    }

    #[test]
    fn a_pattern_matches_whole_parts() {
        assert!(allows(&[], "Deploy/ThirdParty/p/1"));
        assert!(allows(&["Deploy/ThirdParty/p/1"], "Deploy/ThirdParty/p/1"));
        assert!(!allows(&["Deploy/ThirdParty/p/1"], "Deploy/ThirdParty/p/2"));
        assert!(allows(&["Build/*/*/*", "*/ThirdParty/p/*"], "Deploy/ThirdParty/p/2"));
        assert!(!allows(&["*/ThirdParty/p/*"], "Deploy/ThirdParty/p2/2"));
        assert!(!allows(&["deploy/ThirdParty/p/1"], "Deploy/ThirdParty/p/1"), "names have a case");
    }

    #[test]
    fn an_action_type_that_aws_did_not_name_needs_an_open_list() {
        assert!(ActionTypes::default().allows(None));
        assert!(!ActionTypes::new(vec!["*/*/*/*".parse().unwrap()]).allows(None));
    }

    #[test]
    fn a_malformed_pattern_is_rejected() {
        for text in
            ["", "*", "Deploy/ThirdParty/p", "a/b/c/d/e", "a//c/d", "a/b/c*/d", "a/b/c d/1", "a/b/c/ü"]
        {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }
}
