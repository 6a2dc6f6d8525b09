//! The control API for tests in other languages: plain JSON under `/_simulator/` on the same port.
//! It has no authentication, so a simulator must listen on loopback only.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::faults::{self, ConnectionFault, Fault, PlannedFault};
use crate::jobs::JobFile;
use crate::ledger::JobLedger;
use crate::object_store::{Object, ObjectName};
use crate::operations::name::OperationName;
use crate::protocol::{AwsResponse, HttpRequest};
use crate::state::State;

const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An error status and its reason in one sentence.
struct ControlError(StatusCode, String);

type Outcome = Result<Value, ControlError>;

/// Responds to a request for `/_simulator/` + `path`.
pub(crate) fn respond(state: &State, path: &str, request: &HttpRequest) -> AwsResponse {
    if let Some(object) = path.strip_prefix("objects/").and_then(|name| get_object(state, name, request)) {
        return object;
    }
    let outcome = match (path, &*request.method) {
        ("jobs", "GET") => Ok(get_jobs(state)),
        ("jobs", "PUT") => put_jobs(state, request),
        ("faults", "POST") => post_faults(state, request),
        ("faults", "DELETE") => {
            state.plan().clear();
            Ok(json!({}))
        }
        ("clock", "POST") => post_clock(state, request),
        ("ledger", "GET") => Ok(get_ledger(state)),
        ("requests", "GET") => {
            let (requests, bucket_requests) = (state.records.all(), state.bucket_records.all());
            Ok(json!({ "requests": requests, "bucket_requests": bucket_requests }))
        }
        ("objects", "GET") => Ok(get_objects(state)),
        ("objects", "DELETE") => {
            state.objects().clear();
            Ok(json!({}))
        }
        ("jobs", method) => Err(wrong_method(method, "GET or PUT")),
        ("faults", method) => Err(wrong_method(method, "POST or DELETE")),
        ("objects", method) => Err(wrong_method(method, "GET or DELETE")),
        ("clock", method) => Err(wrong_method(method, "POST")),
        ("ledger" | "requests", method) => Err(wrong_method(method, "GET")),
        _ => {
            let known = "Use /_simulator/jobs, /_simulator/faults, /_simulator/clock, \
                         /_simulator/ledger, /_simulator/requests, or /_simulator/objects";
            Err(ControlError(StatusCode::NOT_FOUND, format!("/_simulator/{path} doesn't exist. {known}.")))
        }
    };
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(ControlError(status, sentence)) => (status, json!({ "error": sentence })),
    };
    AwsResponse::new(status, JSON, body.to_string())
}

fn get_jobs(state: &State) -> Value {
    let jobs = state.all_jobs();
    let config = state.config();
    json!({
        "jobs": jobs,
        "second_acknowledge": config.second_acknowledge,
        "redispatch_after_seconds": config.redispatch_after.as_secs(),
        "redispatch_nonce": config.redispatch_nonce,
        "action_types": config.action_types,
    })
}

fn get_ledger(state: &State) -> Value {
    let entry = |(id, ledger): (String, JobLedger)| LedgerEntry { job_id: id, ledger };
    json!({ "ledger": state.ledgers().into_iter().map(entry).collect::<Vec<_>>() })
}

fn get_objects(state: &State) -> Value {
    let objects = state.objects();
    let entry = |(name, object): (&ObjectName, &Object)| {
        json!({
            "bucket": name.bucket,
            "key": name.key,
            "size": object.body.len(),
            "content_type": object.content_type,
            "encryption": object.encryption,
        })
    };
    json!({ "objects": objects.all().map(entry).collect::<Vec<_>>() })
}

/// The content of an object. `name` is its bucket and its key with a slash between them.
fn get_object(state: &State, name: &str, request: &HttpRequest) -> Option<AwsResponse> {
    let (bucket, key) = name.split_once('/').filter(|_| request.method == "GET")?;
    let [bucket, key] = [bucket, key].map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
    let object = state.objects().get(&ObjectName { bucket, key })?.clone();
    Some(AwsResponse::new(StatusCode::OK, BINARY, object.body))
}

/// The history of a job with the job's id.
#[derive(Serialize)]
struct LedgerEntry {
    job_id: String,
    #[serde(flatten)]
    ledger: JobLedger,
}

fn put_jobs(state: &State, request: &HttpRequest) -> Outcome {
    let file: JobFile = read(request)?;
    let count = file.jobs.len();
    file.apply_to(&mut state.config_mut());
    for job in file.jobs {
        state.add_job(job);
    }
    Ok(json!({ "added": count }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    job_id: Option<String>,
    operation: Option<OperationName>,
    #[serde(default = "faults::once", deserialize_with = "faults::at_least_once")]
    times: u32,
    fault: Option<Fault>,
    connection_fault: Option<ConnectionFault>,
}

fn post_faults(state: &State, request: &HttpRequest) -> Outcome {
    let request: FaultRequest = read(request)?;
    match (request.fault, request.connection_fault) {
        (Some(fault), None) => {
            let planned = PlannedFault { fault, times: request.times, operation: request.operation };
            plan(state, request.job_id, planned)
        }
        (None, Some(_)) if request.job_id.is_some() || request.operation.is_some() => Err(bad_request(
            "A connection fault applies before the request is read. Remove `job_id` and `operation`.",
        )),
        (None, Some(fault)) => {
            state.plan().add_connections(request.times, fault);
            Ok(json!({}))
        }
        (None, None) | (Some(_), Some(_)) => Err(bad_request("Set either `fault` or `connection_fault`.")),
    }
}

fn plan(state: &State, job_id: Option<String>, planned: PlannedFault) -> Outcome {
    match job_id {
        None => state.plan().add_next(planned),
        // A fault with a misspelled id would never apply.
        Some(id) if !state.jobs().contains(&id) => {
            return Err(ControlError(
                StatusCode::NOT_FOUND,
                format!("No job has the ID {id:?}. Add the job first."),
            ));
        }
        Some(id) => state.plan().add_job(id, planned),
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    shift_seconds: Option<i64>,
    advance_seconds: Option<u32>,
    omit_date: Option<bool>,
}

fn post_clock(state: &State, request: &HttpRequest) -> Outcome {
    let ClockRequest { shift_seconds, advance_seconds, omit_date } = read(request)?;
    if shift_seconds.is_none() && advance_seconds.is_none() && omit_date.is_none() {
        return Err(bad_request("Set `shift_seconds`, `advance_seconds`, or `omit_date`."));
    }
    if let Some(seconds) = shift_seconds {
        state.clock.shift(seconds);
    }
    if let Some(seconds) = advance_seconds {
        state.clock.advance(Duration::from_secs(seconds.into()));
    }
    if let Some(omit) = omit_date {
        state.clock.omit_date(omit);
    }
    Ok(json!({}))
}

fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ControlError> {
    serde_json::from_slice(&request.body)
        .map_err(|error| bad_request(format!("The body isn't valid: {error}.")))
}

fn bad_request(sentence: impl Into<String>) -> ControlError {
    ControlError(StatusCode::BAD_REQUEST, sentence.into())
}

fn wrong_method(method: &str, allowed: &str) -> ControlError {
    ControlError(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("This path doesn't support {method}. Use {allowed}."),
    )
}
