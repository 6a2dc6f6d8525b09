//! The gateway's metrics.
//!
//! The metrics of calls have the names and labels of go-grpc-middleware, which dashboards know.
//! `docs/operations.md` explains each metric and the steps that it asks for.

use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::aws_metrics::{AttemptResult, AwsMetrics};
use super::grpc_metrics::GrpcMetrics;
use super::labels::Labels;
use super::logging::LinesDropped;
use super::process::Process;
use super::traces::ExportResult;
use crate::error::Reason;
use crate::methods::Method;

/// Histogram buckets, from half a millisecond (a call on loopback) to the longest default deadline.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All metrics of `/metrics`. Every task can use them at low cost.
pub struct Metrics {
    registry: Registry,
    grpc: GrpcMetrics,
    errors: Family<Labels<1>, Counter>,
    aws: AwsMetrics,
    /// Calls that hold a permit of the in-flight limit.
    pub(crate) in_flight: Gauge,
    /// Calls that wait for jobs.
    pub(crate) poll_waiters: Gauge,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections that were closed immediately because of the connection limit.
    pub(crate) connections_refused: Counter,
    /// Failed TLS handshakes.
    pub(crate) handshakes_failed: Counter,
    polled_jobs: Family<Labels<1>, Counter>,
    credentials_expiry: Gauge<f64, std::sync::atomic::AtomicU64>,
    certificate_expiry: Gauge<i64>,
    certificate_loads: Family<Labels<1>, Counter>,
    refreshes: Family<Labels<1>, Counter>,
    jwt_key_refreshes: Family<Labels<1>, Counter>,
    jwt_keys_loaded: Gauge<f64, std::sync::atomic::AtomicU64>,
    spans: Family<Labels<1>, Counter>,
}

impl Metrics {
    /// All metrics. Series with known labels start at zero, because a rate over a counter that
    /// appears with its first event misses this event.
    #[must_use]
    pub fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            registry: Registry::default(),
            grpc: GrpcMetrics::new(histogram),
            errors: Family::default(),
            aws: AwsMetrics::new(histogram),
            in_flight: Gauge::default(),
            poll_waiters: Gauge::default(),
            polled_jobs: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            credentials_expiry: Gauge::default(),
            certificate_expiry: Gauge::default(),
            certificate_loads: Family::default(),
            refreshes: Family::default(),
            jwt_key_refreshes: Family::default(),
            jwt_keys_loaded: Gauge::default(),
            spans: Family::default(),
        };
        metrics.create_known_series();
        metrics.register()
    }

    fn create_known_series(&self) {
        for reason in Reason::ALL {
            drop(self.errors.get_or_create(&[("reason", reason.name())]));
        }
        for result in ExportResult::ALL {
            drop(self.spans.get_or_create(&[("result", result.as_str())]));
        }
        for delivered in [true, false] {
            self.jobs_polled(delivered, 0);
        }
        for result in ["ok", "error"] {
            drop(self.certificate_loads.get_or_create(&[("result", result)]));
            drop(self.refreshes.get_or_create(&[("result", result)]));
            drop(self.jwt_key_refreshes.get_or_create(&[("result", result)]));
        }
    }

    fn register(mut self) -> Self {
        let registry = &mut self.registry;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.grpc.register(registry);
        registry.register_collector(Box::new(Process));
        let own = registry.sub_registry_with_prefix("codepipeline_gateway");
        own.register("errors", "Failed calls, by the reason in the error", self.errors.clone());
        self.aws.register(own);
        own.register(
            "in_flight",
            "Calls in flight, which the in-flight limit counts",
            self.in_flight.clone(),
        );
        own.register("poll_waiters", "Calls that wait for jobs", self.poll_waiters.clone());
        let help = "Jobs that AWS returned for waiting calls, by whether a call received them";
        own.register("polled_jobs", help, self.polled_jobs.clone());
        own.register("connections", "Open gRPC connections", self.connections.clone());
        let help = "Connections closed immediately because of the connection limit";
        own.register("connections_refused", help, self.connections_refused.clone());
        let help = "Failed TLS handshakes, including rejected client certificates";
        own.register("tls_handshakes_failed", help, self.handshakes_failed.clone());
        let help = "Expiry of the credentials in use; 0 if they don't expire or there are none";
        own.register("credentials_expiry_timestamp_seconds", help, self.credentials_expiry.clone());
        let help = "Loads of changed TLS files, by result";
        own.register("tls_certificate_loads", help, self.certificate_loads.clone());
        let help = "Expiry of the TLS certificate in use; 0 without TLS";
        own.register("tls_certificate_expiry_timestamp_seconds", help, self.certificate_expiry.clone());
        own.register("credentials_refreshes", "Loads of credentials, by result", self.refreshes.clone());
        own.register_collector(Box::new(LinesDropped));
        let help = "Refreshes of the verification keys, by result";
        own.register("jwt_key_refreshes", help, self.jwt_key_refreshes.clone());
        let help = "Last successful refresh of the verification keys; 0 before it, or without --auth jwt";
        own.register("jwt_keys_loaded_timestamp_seconds", help, self.jwt_keys_loaded.clone());
        own.register("trace_exports", "Finished spans, by export result", self.spans.clone());
        own.register("build", "Version of the gateway", Info::new(version));
        self
    }

    /// A call started.
    pub(crate) fn call_started(&self, method: &Method) {
        self.grpc.started(method);
    }

    /// A call ended.
    pub(crate) fn call_ended(&self, method: &Method, code: Code, took: Duration, reason: Option<Reason>) {
        self.grpc.ended(method, code, took);
        if let Some(reason) = reason {
            self.errors.get_or_create(&[("reason", reason.name())]).inc();
        }
    }

    /// An attempt at AWS ended. `aws_error_code` is from a closed set, because a response must not
    /// be able to create time series.
    pub(crate) fn attempt_ended(
        &self,
        method: &'static Method,
        result: AttemptResult,
        aws_error_code: &'static str,
        took: Duration,
    ) {
        self.aws.attempt_ended(method, result, aws_error_code, took);
    }

    /// The poller got this many jobs, and a waiting call took them or none waited any more.
    pub(crate) fn jobs_polled(&self, delivered: bool, jobs: usize) {
        let result = if delivered { "delivered" } else { "undelivered" };
        self.polled_jobs.get_or_create(&[("result", result)]).inc_by(jobs as u64);
    }

    /// Credentials were loaded.
    pub(crate) fn credentials_loaded(&self, expiry: Option<SystemTime>) {
        count(&self.refreshes, true);
        self.credentials_expiry.set(expiry.map_or(0.0, since_epoch));
    }

    /// Credentials couldn't be loaded.
    pub(crate) fn credentials_failed(&self) {
        count(&self.refreshes, false);
    }

    /// New TLS files were loaded, or are unusable.
    pub(crate) fn certificate_loaded(&self, usable: bool) {
        count(&self.certificate_loads, usable);
    }

    /// Sets when the TLS certificate in use expires, in seconds since the epoch.
    pub(crate) fn certificate_expires(&self, not_after: i64) {
        self.certificate_expiry.set(not_after);
    }

    /// A refresh of the JWKS succeeded or failed.
    pub(crate) fn jwt_keys_refreshed(&self, succeeded: bool) {
        count(&self.jwt_key_refreshes, succeeded);
        if succeeded {
            self.jwt_keys_loaded.set(since_epoch(SystemTime::now()));
        }
    }

    /// This many spans had this result.
    pub(crate) fn spans_ended(&self, result: ExportResult, spans: u64) {
        self.spans.get_or_create(&[("result", result.as_str())]).inc_by(spans);
    }

    /// The response of `/metrics`, in the OpenMetrics or the older Prometheus text format.
    ///
    /// # Errors
    /// A metric can't be written, which is a bug.
    pub fn encode(&self, open_metrics: bool) -> Result<String, fmt::Error> {
        let mut page = String::new();
        if open_metrics {
            text::encode(&mut page, &self.registry)?;
        } else {
            prometheus_text::encode(&mut page, &self.registry)?;
        }
        Ok(page)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Counts a result, by the label `result`.
fn count(results: &Family<Labels<1>, Counter>, succeeded: bool) {
    results.get_or_create(&[("result", if succeeded { "ok" } else { "error" })]).inc();
}

/// The seconds since the epoch.
fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
