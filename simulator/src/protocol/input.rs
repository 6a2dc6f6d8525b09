//! Reads the members of a request's body and collects every violation of the service model.

use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value};

use super::error::AwsError;

/// The constraint of a text member. Lengths count characters, as the service model does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    /// At least one character and at most this many.
    Length(usize),
    /// Like `Length`, and every character is an ASCII letter, a digit, `_`, or `-`.
    Name(usize),
    /// One of these values.
    OneOf(&'static [&'static str]),
}

/// The members of the body or of a structure in the body. Unknown members are ignored.
///
/// A violation doesn't end the reading. The value is then a placeholder, and [`Input::finish`]
/// returns the error before an operation uses the value.
#[derive(Debug)]
pub(crate) struct Input {
    members: Map<String, Value>,
    /// The path of the structure with a final dot. It is empty for the body itself.
    path: String,
    violations: Vec<String>,
}

impl Input {
    pub(crate) fn new(body: Value) -> Result<Self, AwsError> {
        let members = structure(body)?;
        Ok(Self { members, path: String::new(), violations: Vec::new() })
    }

    pub(crate) fn required_text(&mut self, name: &str, constraint: Text) -> Result<String, AwsError> {
        let text = self.optional_text(name, constraint)?;
        Ok(self.required(name, text))
    }

    pub(crate) fn optional_text(&mut self, name: &str, constraint: Text) -> Result<Option<String>, AwsError> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => return Err(wrong_type(&other, "a String")),
        };
        for violated in constraint.violated_by(&text) {
            self.violation(name, &format!(" '{text}'"), &violated);
        }
        Ok(Some(text))
    }

    pub(crate) fn optional_integer(
        &mut self,
        name: &str,
        range: &RangeInclusive<i32>,
    ) -> Result<Option<i32>, AwsError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        let number = number.ok_or_else(|| wrong_type(&value, "an Integer"))?;
        let quoted = format!(" '{number}'");
        if number < *range.start() {
            let constraint = format!("have value greater than or equal to {}", range.start());
            self.violation(name, &quoted, &constraint);
        }
        if number > *range.end() {
            self.violation(name, &quoted, &format!("have value less than or equal to {}", range.end()));
        }
        Ok(Some(number))
    }

    /// A time in seconds since 1970.
    pub(crate) fn optional_timestamp(&mut self, name: &str) -> Result<Option<Number>, AwsError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(seconds)) => Ok(Some(seconds)),
            Some(other) => Err(wrong_type(&other, "a Timestamp")),
        }
    }

    pub(crate) fn required_structure<T: Default>(
        &mut self,
        name: &str,
        read: fn(&mut Self) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let structure = self.optional_structure(name, read)?;
        Ok(self.required(name, structure))
    }

    pub(crate) fn optional_structure<T>(
        &mut self,
        name: &str,
        read: fn(&mut Self) -> Result<T, AwsError>,
    ) -> Result<Option<T>, AwsError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let path = format!("{}{name}.", self.path);
        let mut inner = Self { members: structure(value)?, path, violations: Vec::new() };
        let value = read(&mut inner)?;
        self.violations.append(&mut inner.violations);
        Ok(Some(value))
    }

    /// Returns all violations in one error, as AWS does.
    pub(crate) fn finish(self) -> Result<(), AwsError> {
        if self.violations.is_empty() { Ok(()) } else { Err(AwsError::validation(&self.violations)) }
    }

    fn required<T: Default>(&mut self, name: &str, value: Option<T>) -> T {
        if value.is_none() {
            self.violation(name, "", "not be null");
        }
        value.unwrap_or_default()
    }

    /// The value of a member. `null` is the same as no member.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// AWS echoes every invalid value. So does the simulator, so that its users can test that they
    /// redact secrets in error messages.
    fn violation(&mut self, name: &str, quoted: &str, constraint: &str) {
        let path = &self.path;
        self.violations.push(format!(
            "Value{quoted} at '{path}{name}' failed to satisfy constraint: Member must {constraint}"
        ));
    }
}

impl Text {
    fn violated_by(self, text: &str) -> Vec<String> {
        let length = text.chars().count();
        let mut violated = Vec::new();
        match self {
            Self::Length(longest) | Self::Name(longest) => {
                if length == 0 {
                    violated.push("have length greater than or equal to 1".to_owned());
                }
                if length > longest {
                    violated.push(format!("have length less than or equal to {longest}"));
                }
            }
            Self::OneOf(values) => {
                if !values.contains(&text) {
                    violated.push(format!("satisfy enum value set: [{}]", values.join(", ")));
                }
            }
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if matches!(self, Self::Name(_)) && (text.is_empty() || !text.chars().all(allowed)) {
            violated.push("satisfy regular expression pattern: [0-9A-Za-z_-]+".to_owned());
        }
        violated
    }
}

fn structure(value: Value) -> Result<Map<String, Value>, AwsError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(AwsError::serialization("Start of structure or map not found where expected.")),
    }
}

/// The error for a value of the wrong type. `expected` is the right type with its article.
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
    AwsError::serialization(format!("{kind} can not be converted to {expected}"))
}
