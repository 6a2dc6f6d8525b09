//! The server's part of the gateway's settings. `gateway::Settings` describes the fields.

use std::time::Duration;

use super::tls::Tls;
use crate::auth::Auth;
use crate::call::Deadlines;
use crate::operations::OperationSet;
use crate::telemetry::Traces;

/// The settings of the gRPC server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) tls: Option<Tls>,
    pub(crate) auth: Auth,
    pub(crate) operations: OperationSet,
    pub(crate) deadlines: Deadlines,
    pub(crate) max_in_flight: usize,
    pub(crate) max_poll_waiters: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connection_age: Duration,
    pub(crate) shutdown_delay: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) reflection: bool,
    pub(crate) traces: Traces,
}
