//! One request's way to its answer: read, check, record, then CodePipeline or a fault.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use uuid::Uuid;

use crate::answer::{AWS_JSON, Answer, Refusal};
use crate::control;
use crate::faults::{CallMoment, ErrorFault, Fault, Then};
use crate::records::{InFlight, Processed, RequestOutcome, RequestRecord};
use crate::signature::{self, Checked};
use crate::state::State;
use crate::wire::{Acknowledge, WireRequest};

/// The largest request body.
const BODY_LIMIT: usize = 1 << 20;

/// The next step of the connection.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Send this response and continue.
    Answer(Response<Bytes>),
    /// End the connection.
    End(ConnectionEnd),
}

/// How a fault ends a connection.
#[derive(Debug)]
pub(crate) enum ConnectionEnd {
    /// RST.
    Reset,
    /// FIN, after these bytes.
    Close(Vec<u8>),
}

/// Answers a request that came on the connection of this number.
pub(crate) async fn answer(state: Arc<State>, connection: usize, request: Request<Incoming>) -> Reply {
    let request_id = Uuid::new_v4().to_string();
    let Some(request) = read(request).await else {
        let too_large = ErrorFault { http_status: 413, ..ErrorFault::new("RequestEntityTooLargeException") };
        return Reply::Answer(Answer::from(&too_large).into_response(&request_id, &state.clock));
    };
    if let Some(path) = request.path.strip_prefix("/_simulator/") {
        return Reply::Answer(
            control::answer(&state, path, &request).into_response(&request_id, &state.clock),
        );
    }

    let checked = signature::check(&request, state.region.as_deref(), state.clock.now(), |id| state.key(id));
    let job_id = request.job_id();
    let fault = state.plan().take(job_id.as_deref());
    let in_flight = state.records.arrived(RequestRecord {
        number: 0,
        connection,
        request_id: request_id.clone(),
        target: request.header("x-amz-target").map(str::to_owned),
        job_id,
        user_agent: request.header("user-agent").map(str::to_owned),
        access_key_id: checked.access_key_id.clone(),
        signature: checked.verdict(),
        fault: fault.as_ref().map(Fault::name),
        processed: None,
        outcome: RequestOutcome::Pending,
    });
    let call = Call { state: &state, request, checked, in_flight, request_id };
    match fault {
        Some(fault) => call.suffer(fault).await,
        None => call.behave(),
    }
}

/// Reads a request to its end; `None` if its body is too large, or its client went in the middle, when no
/// answer matters.
async fn read(request: Request<Incoming>) -> Option<WireRequest> {
    let (head, body) = request.into_parts();
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return None;
    }
    let body = Limited::new(body, BODY_LIMIT).collect().await.ok()?.to_bytes();
    Some(WireRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}

struct Call<'a> {
    state: &'a State,
    request: WireRequest,
    checked: Checked,
    in_flight: InFlight,
    request_id: String,
}

impl Call<'_> {
    fn behave(self) -> Reply {
        let answer = self.process();
        self.reply(answer)
    }

    /// Lets CodePipeline decide, and records what it decided.
    fn process(&self) -> Answer {
        let answer = self.decide().unwrap_or_else(Answer::from);
        let (http_status, error_code) = (answer.status.as_u16(), answer.error_code.clone());
        self.in_flight.processed(Processed { http_status, error_code });
        answer
    }

    /// The order of AWS's front: JSON, operation, signature, types and limits; then the service itself.
    fn decide(&self) -> Result<Answer, Refusal> {
        let json = self.request.json()?;
        self.request.operation()?;
        if let Err(rejection) = &self.checked.result {
            return Err(Refusal::new(rejection.code(), rejection.to_string()));
        }
        let input = Acknowledge::parse(json)?;
        self.state.pipeline().acknowledge(&input)
    }

    /// Performs a fault.
    async fn suffer(self, fault: Fault) -> Reply {
        match fault {
            Fault::Error(error) => self.reply(Answer::from(&error)),
            Fault::Answer(answer) => self.reply(answer.into()),
            Fault::Delay { ms, then } => Box::pin(self.late(ms, then)).await,
            Fault::Hang { process } => {
                self.process_if(process);
                future::pending().await
            }
            Fault::Reset { when } => {
                self.process_if(when == CallMoment::AfterProcessing);
                self.end(RequestOutcome::Reset, ConnectionEnd::Reset)
            }
            Fault::Close { when } => {
                self.process_if(when == CallMoment::AfterProcessing);
                self.end(RequestOutcome::Closed, ConnectionEnd::Close(Vec::new()))
            }
            Fault::CutBody { process, http_status, code } => {
                let answer = self.whole_answer(process, http_status, code);
                self.cut(answer)
            }
            Fault::MalformedBody { process } => {
                self.process_if(process);
                self.reply(Answer::raw(StatusCode::OK, AWS_JSON, r#"{"status":"InProgr"#))
            }
        }
    }

    async fn late(self, ms: u64, then: Then) -> Reply {
        let early = self.process_if(then == Then::Answer);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        match then {
            Then::Fault(next) => self.suffer(*next).await,
            Then::Process | Then::Answer => {
                let answer = early.unwrap_or_else(|| self.process());
                self.reply(answer)
            }
        }
    }

    fn process_if(&self, process: bool) -> Option<Answer> {
        process.then(|| self.process())
    }

    /// The answer that is going to be cut.
    fn whole_answer(&self, process: bool, http_status: Option<u16>, code: Option<String>) -> Answer {
        let mut answer = match (self.process_if(process), code) {
            (Some(true_answer), _) => true_answer,
            (None, Some(code)) => Answer::from(&ErrorFault::new(code)),
            (None, None) => Answer::ok(&serde_json::json!({ "status": "InProgress" })),
        };
        if let Some(status) = http_status.and_then(|status| StatusCode::from_u16(status).ok()) {
            answer.status = status;
        }
        answer
    }

    fn cut(self, answer: Answer) -> Reply {
        let (kept, http_status) = (answer.body.len() / 2, answer.status.as_u16());
        let bytes = answer.cut(kept, &self.request_id, &self.state.clock);
        self.end(RequestOutcome::BodyCut { http_status }, ConnectionEnd::Close(bytes))
    }

    fn reply(self, answer: Answer) -> Reply {
        let outcome = RequestOutcome::Answered { http_status: answer.status.as_u16() };
        if answer.status.is_informational() {
            let bytes = answer.head_only(&self.request_id, &self.state.clock);
            return self.end(outcome, ConnectionEnd::Close(bytes));
        }
        self.in_flight.finish(outcome);
        Reply::Answer(answer.into_response(&self.request_id, &self.state.clock))
    }

    fn end(self, outcome: RequestOutcome, how: ConnectionEnd) -> Reply {
        self.in_flight.finish(outcome);
        Reply::End(how)
    }
}
