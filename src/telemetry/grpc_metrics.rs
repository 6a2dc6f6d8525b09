//! The three metrics that go-grpc-middleware has of each method: calls begun, calls ended by their code, and how long they took.

use std::ptr;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::labels::Labels;
use crate::methods::{METHODS, Method, UNKNOWN};

/// How many codes gRPC has.
const CODES: i32 = 17;

pub(super) struct GrpcMetrics {
    started: Family<Labels<3>, Counter>,
    handled: Family<Labels<4>, Counter>,
    handling: Family<Labels<3>, Histogram, fn() -> Histogram>,
    /// What is in these families, all of it. A call finds its series here: a look-up by labels hashes some hundred bytes.
    series: Vec<Series>,
}

/// The series of one method.
struct Series {
    method: &'static Method,
    started: Counter,
    /// By the code's number.
    handled: Vec<Counter>,
    handling: Histogram,
}

impl GrpcMetrics {
    pub(super) fn at_zero(histogram: fn() -> Histogram) -> Self {
        let (started, handled) = (Family::default(), Family::default());
        let handling = Family::new_with_constructor(histogram);
        let series = METHODS.into_iter().chain([&UNKNOWN]).map(|method| Series {
            method,
            started: started.get_or_create_owned(&labels(method)),
            handled: (0..CODES)
                .map(|code| handled.get_or_create_owned(&handled_labels(method, Code::from_i32(code))))
                .collect(),
            handling: handling.get_or_create_owned(&labels(method)),
        });
        Self { series: series.collect(), started, handled, handling }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("grpc_server_started", "Calls begun", self.started.clone());
        registry.register("grpc_server_handled", "Calls ended, by their code", self.handled.clone());
        registry.register("grpc_server_handling_seconds", "How long calls took", self.handling.clone());
    }

    pub(super) fn started(&self, method: &Method) {
        if let Some(series) = self.of(method) {
            series.started.inc();
        }
    }

    pub(super) fn ended(&self, method: &Method, code: Code, took: Duration) {
        if let Some(series) = self.of(method) {
            series.handled[code as usize].inc();
            series.handling.observe(took.as_secs_f64());
        }
    }

    fn of(&self, method: &Method) -> Option<&Series> {
        self.series.iter().find(|series| ptr::eq(series.method, method))
    }
}

const fn labels(method: &Method) -> Labels<3> {
    [("grpc_type", method.kind), ("grpc_service", method.service), ("grpc_method", method.name)]
}

fn handled_labels(method: &Method, code: Code) -> Labels<4> {
    let [kind, service, method] = labels(method);
    [kind, service, method, ("grpc_code", go_name(code))]
}

/// The code's name as Go's gRPC library prints it, and so every dashboard.
fn go_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
