//! The control API for tests in other languages: plain JSON under `/_simulator/` on the same port.
//! It has no authentication, so a simulator must listen on loopback only.

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::{ConnectionFault, Fault};
use crate::jobs::{self, JobFile};
use crate::protocol::{AwsResponse, HttpRequest};
use crate::state::State;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An error status and its reason in one sentence.
struct ControlError(StatusCode, String);

type Outcome = Result<Value, ControlError>;

/// Responds to a request for `/_simulator/` + `path`.
pub(crate) fn respond(state: &State, path: &str, request: &HttpRequest) -> AwsResponse {
    let outcome = match (path, &*request.method) {
        ("jobs", "GET") => {
            Ok(json!({ "jobs": state.all_jobs(), "second_acknowledge": state.jobs().second_acknowledge }))
        }
        ("jobs", "PUT") => put_jobs(state, request),
        ("faults", "POST") => post_faults(state, request),
        ("faults", "DELETE") => {
            state.plan().clear();
            Ok(json!({}))
        }
        ("clock", "POST") => post_clock(state, request),
        ("requests", "GET") => Ok(json!({ "requests": state.records.all() })),
        ("jobs", method) => Err(wrong_method(method, "GET and PUT")),
        ("faults", method) => Err(wrong_method(method, "POST and DELETE")),
        ("clock", method) => Err(wrong_method(method, "POST")),
        ("requests", method) => Err(wrong_method(method, "GET")),
        _ => {
            let known =
                "there are /_simulator/jobs, /_simulator/faults, /_simulator/clock and /_simulator/requests";
            Err(ControlError(StatusCode::NOT_FOUND, format!("Nothing is at /_simulator/{path}: {known}.")))
        }
    };
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(ControlError(status, sentence)) => (status, json!({ "error": sentence })),
    };
    AwsResponse::new(status, JSON, body.to_string())
}

fn put_jobs(state: &State, request: &HttpRequest) -> Outcome {
    let file: JobFile = read(request)?;
    let count = file.jobs.len();
    if let Some(second_acknowledge) = file.second_acknowledge {
        state.set_second_acknowledge(second_acknowledge);
    }
    for job in file.jobs {
        state.add_job(job);
    }
    Ok(json!({ "added": count }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    job_id: Option<String>,
    #[serde(default = "jobs::once", deserialize_with = "jobs::at_least_once")]
    times: u32,
    fault: Option<Fault>,
    connection_fault: Option<ConnectionFault>,
}

fn post_faults(state: &State, request: &HttpRequest) -> Outcome {
    let FaultRequest { job_id, times, fault, connection_fault } = read(request)?;
    match (job_id, fault, connection_fault) {
        (None, Some(fault), None) => state.plan().add_next(times, fault),
        (None, None, Some(fault)) => state.plan().add_connections(times, fault),
        (Some(id), Some(fault), None) => {
            // A fault with a misspelled id would never apply.
            if !state.jobs().contains(&id) {
                return Err(ControlError(StatusCode::NOT_FOUND, format!("No job has the id {id:?}.")));
            }
            state.plan().add_job(id, times, fault);
        }
        (Some(_), None, Some(_)) => {
            return Err(bad_request(
                "A connection fault strikes before the request is read, so it takes no `job_id`.",
            ));
        }
        (_, None, None) | (_, Some(_), Some(_)) => {
            return Err(bad_request("Give either `fault` or `connection_fault`."));
        }
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    shift_seconds: Option<i64>,
    omit_date: Option<bool>,
}

fn post_clock(state: &State, request: &HttpRequest) -> Outcome {
    let ClockRequest { shift_seconds, omit_date } = read(request)?;
    if shift_seconds.is_none() && omit_date.is_none() {
        return Err(bad_request("Give `shift_seconds`, `omit_date` or both."));
    }
    if let Some(seconds) = shift_seconds {
        state.clock.shift(seconds);
    }
    if let Some(omit) = omit_date {
        state.clock.omit_date(omit);
    }
    Ok(json!({}))
}

fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ControlError> {
    serde_json::from_slice(&request.body)
        .map_err(|error| bad_request(format!("The body is not valid: {error}.")))
}

fn bad_request(sentence: impl Into<String>) -> ControlError {
    ControlError(StatusCode::BAD_REQUEST, sentence.into())
}

fn wrong_method(method: &str, allowed: &str) -> ControlError {
    ControlError(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible here, only {allowed}."))
}
