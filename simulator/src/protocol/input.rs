//! Reads the members of a request's body and collects every violation of the service model.

use serde_json::{Map, Value};

use super::error::AwsError;

/// The constraint of a text member. Lengths count characters, as the service model does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    /// At least one character and at most this many.
    Length(usize),
}

/// The members of the body. Unknown members are ignored.
#[derive(Debug)]
pub(crate) struct Input {
    members: Map<String, Value>,
    violations: Vec<String>,
}

impl Input {
    pub(crate) fn new(body: Value) -> Result<Self, AwsError> {
        match body {
            Value::Object(members) => Ok(Self { members, violations: Vec::new() }),
            _ => Err(AwsError::serialization("Start of structure or map not found where expected.")),
        }
    }

    /// A text that must be there. A violation is only noted, and the text is then a placeholder:
    /// [`Input::finish`] returns the error before anything uses it.
    pub(crate) fn required_text(&mut self, name: &str, constraint: Text) -> Result<String, AwsError> {
        let text = self.text(name, constraint)?;
        if text.is_none() {
            self.violation("", name, "not be null");
        }
        Ok(text.unwrap_or_default())
    }

    /// Returns all violations in one error, as AWS does.
    pub(crate) fn finish(self) -> Result<(), AwsError> {
        if self.violations.is_empty() { Ok(()) } else { Err(AwsError::validation(&self.violations)) }
    }

    fn text(&mut self, name: &str, constraint: Text) -> Result<Option<String>, AwsError> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => return Err(wrong_type(&other, "String")),
        };
        let Text::Length(longest) = constraint;
        let (length, quoted) = (text.chars().count(), format!(" '{text}'"));
        if length == 0 {
            self.violation(&quoted, name, "have length greater than or equal to 1");
        }
        if length > longest {
            self.violation(&quoted, name, &format!("have length less than or equal to {longest}"));
        }
        Ok(Some(text))
    }

    /// The value of a member. `null` is the same as no member.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// AWS echoes every invalid value. So does the simulator, so that its users can test that they
    /// redact secrets in error messages.
    fn violation(&mut self, quoted: &str, name: &str, constraint: &str) {
        self.violations.push(format!(
            "Value{quoted} at '{name}' failed to satisfy constraint: Member must {constraint}"
        ));
    }
}

fn wrong_type(value: &Value, expected: &str) -> AwsError {
    let kind = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) | Value::Object(_) => {
            return AwsError::serialization("Start of structure or map found where not expected.");
        }
    };
    AwsError::serialization(format!("{kind} can not be converted to a {expected}"))
}
