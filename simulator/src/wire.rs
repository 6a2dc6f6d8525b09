//! The protocol's reading side (awsJson1.1): from an HTTP request to an operation's input, and AWS's
//! complaints on the way.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::answer::{AWS_JSON, Refusal};

/// The operation, as `X-Amz-Target` names it.
const ACKNOWLEDGE: &str = "CodePipeline_20150709.AcknowledgeThirdPartyJob";

/// A request that was read to its end.
#[derive(Debug)]
pub(crate) struct WireRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl WireRequest {
    /// A header's text, if it is there and readable.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; broken JSON is AWS's first complaint, before it looks at the target or the
    /// signature.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|_| serialization("the request is not valid JSON"))
    }

    /// Whether this is the operation that the simulator knows.
    pub(crate) fn operation(&self) -> Result<(), Refusal> {
        let content_type = self.headers.get(CONTENT_TYPE) == Some(&AWS_JSON);
        if content_type
            && self.method == "POST"
            && self.path == "/"
            && self.header("x-amz-target") == Some(ACKNOWLEDGE)
        {
            Ok(())
        } else {
            Err(Refusal::new("UnknownOperationException", "The operation is unknown."))
        }
    }

    /// `jobId`, for choosing a fault and for the record, however broken the rest is.
    pub(crate) fn job_id(&self) -> Option<String> {
        Some(self.json().ok()?.get("jobId")?.as_str()?.to_owned())
    }
}

/// The input of `AcknowledgeThirdPartyJob`, within AWS's limits.
#[derive(Debug)]
pub(crate) struct Acknowledge {
    pub(crate) job_id: String,
    pub(crate) nonce: String,
    pub(crate) client_token: String,
}

impl Acknowledge {
    /// Types first, then all violations at once, as AWS does. Unknown members are ignored.
    pub(crate) fn parse(json: Value) -> Result<Self, Refusal> {
        let Value::Object(mut members) = json else {
            return Err(serialization("Start of structure or map not found where expected."));
        };
        let job_id = text(&mut members, "jobId")?;
        let nonce = text(&mut members, "nonce")?;
        let client_token = text(&mut members, "clientToken")?;
        let violations: Vec<_> = [
            violation("jobId", job_id.as_deref(), 512),
            violation("nonce", nonce.as_deref(), 50),
            violation("clientToken", client_token.as_deref(), 256),
        ]
        .into_iter()
        .flatten()
        .collect();
        match (job_id, nonce, client_token) {
            (Some(job_id), Some(nonce), Some(client_token)) if violations.is_empty() => {
                Ok(Self { job_id, nonce, client_token })
            }
            _ => Err(validation(&violations)),
        }
    }
}

/// A member's text; `null` is the same as no member.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    let kind = match members.remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text)),
        Some(Value::Bool(true)) => "TRUE_VALUE",
        Some(Value::Bool(false)) => "FALSE_VALUE",
        Some(Value::Number(_)) => "NUMBER_VALUE",
        Some(Value::Array(_) | Value::Object(_)) => {
            return Err(serialization("Start of structure or map found where not expected."));
        }
    };
    Err(serialization(&format!("{kind} can not be converted to a String")))
}

/// AWS echoes the offending value, whatever it is; so does this, so that consumers can test that they mask
/// it.
fn violation(member: &str, value: Option<&str>, longest: usize) -> Option<String> {
    let (value, constraint) = match value.map(|value| (value, value.chars().count())) {
        None => (String::new(), "not be null".to_owned()),
        Some((value, 0)) => (format!(" '{value}'"), "have length greater than or equal to 1".to_owned()),
        Some((value, length)) if length > longest => {
            (format!(" '{value}'"), format!("have length less than or equal to {longest}"))
        }
        Some(_) => return None,
    };
    Some(format!("Value{value} at '{member}' failed to satisfy constraint: Member must {constraint}"))
}

fn validation(violations: &[String]) -> Refusal {
    let count = violations.len();
    let errors = if count == 1 { "error" } else { "errors" };
    Refusal::new(
        "ValidationException",
        format!("{count} validation {errors} detected: {}", violations.join("; ")),
    )
}

fn serialization(message: &str) -> Refusal {
    Refusal::new("SerializationException", message)
}
