//! One request from its bytes to its response: read, check, record, then process the call or apply
//! a fault.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use uuid::Uuid;

use crate::bucket;
use crate::control;
use crate::faults::{CallMoment, ErrorFault, Fault, Then};
use crate::operations::name::OperationName;
use crate::operations::{self, Context};
use crate::protocol::{AwsError, AwsResponse, HttpRequest, read_body};
use crate::records::{InFlight, Processed, RequestOutcome, RequestRecord};
use crate::signature::{self, Checked};
use crate::state::State;

/// The largest request body.
const BODY_LIMIT: usize = 1 << 20;

/// The number of characters of a job ID in a record. The ID in a request can be as long as the
/// body.
const RECORDED_ID: usize = 512;

/// The next step of the connection.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Send this response and continue.
    Send(Response<Bytes>),
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

/// Responds to a request on the connection with this number.
pub(crate) async fn respond(state: Arc<State>, connection: usize, request: Request<Incoming>) -> Reply {
    let request_id = Uuid::new_v4().to_string();
    let (head, body) = request.into_parts();
    let mut request = HttpRequest::of(head);
    let control_path = request.path.strip_prefix("/_simulator/").map(str::to_owned);
    if control_path.is_none() && bucket::is_for_bucket(&request) {
        return Reply::Send(bucket::respond(&state, connection, request, body).await);
    }
    let Some(body) = read_body(body, BODY_LIMIT).await else {
        let too_large = ErrorFault { http_status: 413, ..ErrorFault::new("RequestEntityTooLargeException") };
        return Reply::Send(AwsResponse::from(&too_large).into_response(&request_id, &state.clock));
    };
    request.body = body;
    if let Some(path) = control_path {
        let response = control::respond(&state, &path, &request);
        return Reply::Send(response.into_response(&request_id, &state.clock));
    }

    let checked = signature::check(&request, &state.config(), state.clock.now());
    let operation = request.operation().and_then(OperationName::find);
    let job_id = request.job_id();
    let fault = state.plan().take(job_id.as_deref(), operation);
    let in_flight = state.records.arrived(RequestRecord {
        number: 0,
        connection,
        request_id: request_id.clone(),
        target: request.header("x-amz-target").map(str::to_owned),
        operation,
        job_id: job_id.map(|id| id.chars().take(RECORDED_ID).collect()),
        user_agent: request.header("user-agent").map(str::to_owned),
        access_key_id: checked.access_key_id.clone(),
        signature: checked.verdict(),
        fault: fault.as_ref().map(Fault::name),
        processed: None,
        outcome: RequestOutcome::Pending,
    });
    let call = Call { state: &state, request, operation, checked, in_flight, request_id };
    match fault {
        Some(fault) => call.apply(fault).await,
        None => call.finish(),
    }
}

struct Call<'a> {
    state: &'a State,
    request: HttpRequest,
    operation: Option<OperationName>,
    checked: Checked,
    in_flight: InFlight,
    request_id: String,
}

impl Call<'_> {
    /// Processes the call and sends the response.
    fn finish(self) -> Reply {
        let response = self.process();
        self.send(response)
    }

    /// Processes the call and records the decision.
    fn process(&self) -> AwsResponse {
        let response = self.decide().unwrap_or_else(AwsResponse::from);
        let (http_status, error_code) = (response.status.as_u16(), response.error_code.clone());
        self.in_flight.processed(Processed { http_status, error_code });
        response
    }

    /// The order of the checks is that of AWS's front end: protocol, JSON, operation,
    /// signature. The input and the jobs come after that.
    fn decide(&self) -> Result<AwsResponse, AwsError> {
        if let Some(protocol) = self.request.smithy_protocol() {
            return Err(AwsError::unsupported_protocol(protocol));
        }
        let body = self.request.json()?;
        let operation = self
            .operation
            .filter(|_| self.request.is_aws_json())
            .ok_or_else(|| AwsError::new("UnknownOperationException", "The operation is unknown."))?;
        if let Err(rejection) = &self.checked.result {
            return Err(AwsError::new(rejection.code(), rejection.to_string()));
        }
        let config = self.state.config();
        let mut jobs = self.state.jobs();
        let context = Context { config: &config, now: self.state.clock.now() };
        operations::process(operation, body, &mut jobs, &context)
    }

    async fn apply(self, fault: Fault) -> Reply {
        match fault {
            Fault::Error(error) => self.send(AwsResponse::from(&error)),
            Fault::Answer(response) => self.send(response.into()),
            Fault::Delay { ms, then } => Box::pin(self.delay(ms, then)).await,
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
                let response = self.response_to_cut(process, http_status, code);
                self.cut(response)
            }
            Fault::MalformedBody { process } => {
                self.process_if(process);
                let sample = operations::sample(self.operation);
                self.send(AwsResponse::ok(&sample[..sample.len() / 2]))
            }
        }
    }

    async fn delay(self, ms: u64, then: Then) -> Reply {
        let early = self.process_if(then == Then::Answer);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        match then {
            Then::Fault(next) => self.apply(*next).await,
            Then::Process | Then::Answer => {
                let response = early.unwrap_or_else(|| self.process());
                self.send(response)
            }
        }
    }

    fn process_if(&self, process: bool) -> Option<AwsResponse> {
        process.then(|| self.process())
    }

    /// The whole response of which [`Call::cut`] sends a half.
    fn response_to_cut(&self, process: bool, http_status: Option<u16>, code: Option<String>) -> AwsResponse {
        let mut response = match (self.process_if(process), code) {
            // An empty body can't be cut.
            (Some(processed), _) if !processed.body.is_empty() => processed,
            (None, Some(code)) => AwsResponse::from(&ErrorFault::new(code)),
            (Some(_), _) | (None, None) => AwsResponse::ok(operations::sample(self.operation)),
        };
        if let Some(status) = http_status.and_then(|status| StatusCode::from_u16(status).ok()) {
            response.status = status;
        }
        response
    }

    fn cut(self, response: AwsResponse) -> Reply {
        let (kept, http_status) = (response.body.len() / 2, response.status.as_u16());
        let bytes = response.cut(kept, &self.request_id, &self.state.clock);
        self.end(RequestOutcome::BodyCut { http_status }, ConnectionEnd::Close(bytes))
    }

    fn send(self, response: AwsResponse) -> Reply {
        let outcome = RequestOutcome::Answered { http_status: response.status.as_u16() };
        if response.status.is_informational() {
            let bytes = response.head_only(&self.request_id, &self.state.clock);
            return self.end(outcome, ConnectionEnd::Close(bytes));
        }
        self.in_flight.finish(outcome);
        Reply::Send(response.into_response(&self.request_id, &self.state.clock))
    }

    fn end(self, outcome: RequestOutcome, how: ConnectionEnd) -> Reply {
        self.in_flight.finish(outcome);
        Reply::End(how)
    }
}
