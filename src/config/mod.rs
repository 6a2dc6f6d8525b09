//! The settings of `serve`: one field is one flag, its variable, its default and its line of help; then what they mean
//! together.

mod auth;
mod behaviour;
mod logs;
mod otel;
mod tls;
mod traces;
mod values;

use std::net::SocketAddr;

use clap::Args;

pub(crate) use auth::AuthArgs;
pub(crate) use behaviour::Behaviour;
pub(crate) use logs::Logs;
pub(crate) use tls::TlsArgs;
pub(crate) use traces::TraceArgs;

/// Where it listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Where gRPC listens; [::] takes IPv4 too
    #[arg(long, env = "GATEWAY_GRPC_ADDR", value_name = "ADDR", default_value = "[::]:50051")]
    pub(crate) grpc_addr: SocketAddr,
    /// Where the plain HTTP side listens: /livez, /readyz, /metrics
    #[arg(long, env = "GATEWAY_ADMIN_ADDR", value_name = "ADDR", default_value = "[::]:9090")]
    pub(crate) admin_addr: SocketAddr,
}
