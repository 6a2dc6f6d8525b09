//! The settings of `serve`: one field is one flag, its variable, its default and its line of help; then what they mean
//! together.

mod auth;
mod limits;
mod logs;
mod otel;
mod parse;
mod tls;
mod traces;

use std::net::SocketAddr;

use clap::Args;

pub(crate) use auth::AuthArgs;
pub(crate) use limits::LimitArgs;
pub(crate) use logs::Logs;
pub(crate) use parse::{address, positive};
pub(crate) use tls::TlsArgs;
pub(crate) use traces::TraceArgs;

/// Where it listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Where gRPC listens; [::] takes IPv4 too
    #[arg(long, env = "GATEWAY_GRPC_ADDR", value_name = "ADDR", default_value = "[::]:50051", value_parser = address)]
    pub(crate) grpc_addr: SocketAddr,
    /// Where the plain HTTP side listens: /livez, /readyz, /metrics
    #[arg(long, env = "GATEWAY_ADMIN_ADDR", value_name = "ADDR", default_value = "[::]:9090", value_parser = address)]
    pub(crate) admin_addr: SocketAddr,
}

impl Listen {
    /// Whether the two can be had at once.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (grpc, admin) = (self.grpc_addr, self.admin_addr);
        // `[::]` takes IPv4 too, 0.0.0.0 no IPv6.
        let covers = |one: SocketAddr, other: SocketAddr| {
            one.ip() == other.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
        };
        if grpc.port() != 0 && grpc.port() == admin.port() && (covers(grpc, admin) || covers(admin, grpc)) {
            return Err(format!(
                "--grpc-addr (GATEWAY_GRPC_ADDR) and --admin-addr (GATEWAY_ADMIN_ADDR) can't both have port {}",
                grpc.port()
            ));
        }
        Ok(())
    }
}
