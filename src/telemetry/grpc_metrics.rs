//! The three metrics of go-grpc-middleware for each method: started calls, ended calls by code, and
//! how long calls took.

use std::ptr;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::grpc_code::{codes, go_code_name};
use super::labels::Labels;
use crate::methods::{METHODS, Method, UNKNOWN};

pub(super) struct GrpcMetrics {
    started: Family<Labels<3>, Counter>,
    handled: Family<Labels<4>, Counter>,
    handling: Family<Labels<3>, Histogram, fn() -> Histogram>,
    /// All series of these families. A lookup by labels would hash about a hundred bytes per call.
    series: Vec<Series>,
}

/// The series of one method.
struct Series {
    method: &'static Method,
    started: Counter,
    /// Indexed by the code's number.
    handled: Vec<Counter>,
    handling: Histogram,
}

impl GrpcMetrics {
    pub(super) fn new(histogram: fn() -> Histogram) -> Self {
        let (started, handled) = (Family::default(), Family::default());
        let handling = Family::new_with_constructor(histogram);
        let series = METHODS.iter().copied().chain([&UNKNOWN]).map(|method| Series {
            method,
            started: started.get_or_create_owned(&labels(method)),
            handled: codes().map(|code| handled.get_or_create_owned(&handled_labels(method, code))).collect(),
            handling: handling.get_or_create_owned(&labels(method)),
        });
        Self { series: series.collect(), started, handled, handling }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("grpc_server_started", "Started calls", self.started.clone());
        registry.register("grpc_server_handled", "Ended calls, by code", self.handled.clone());
        registry.register("grpc_server_handling_seconds", "Duration of calls", self.handling.clone());
    }

    pub(super) fn started(&self, method: &Method) {
        if let Some(series) = self.series_of(method) {
            series.started.inc();
        }
    }

    pub(super) fn ended(&self, method: &Method, code: Code, took: Duration) {
        if let Some(series) = self.series_of(method) {
            series.handled[code as usize].inc();
            series.handling.observe(took.as_secs_f64());
        }
    }

    fn series_of(&self, method: &Method) -> Option<&Series> {
        self.series.iter().find(|series| ptr::eq(series.method, method))
    }
}

const fn labels(method: &Method) -> Labels<3> {
    [("grpc_type", method.kind), ("grpc_service", method.service), ("grpc_method", method.name)]
}

fn handled_labels(method: &Method, code: Code) -> Labels<4> {
    let [kind, service, method] = labels(method);
    [kind, service, method, ("grpc_code", go_code_name(code))]
}
