//! The flags of the subcommands and the settings that they result in.
//!
//! One field is one flag with its variable, its default, and its help text.

mod access;
mod auth;
mod flag;
mod limits;
mod logs;
mod otel;
mod parse;
mod tls;
mod traces;

use std::net::SocketAddr;

use clap::Args;

pub(crate) use access::AccessArgs;
pub(crate) use auth::AuthArgs;
pub(crate) use flag::{flag, with_variable};
pub(crate) use limits::LimitArgs;
pub(crate) use logs::Logs;
pub(crate) use parse::{address, positive};
pub(crate) use tls::TlsArgs;
pub(crate) use traces::{TraceArgs, TraceConfig};

/// The addresses of the listeners.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Address of the gRPC port; [::] includes IPv4
    #[arg(long, env = "GATEWAY_GRPC_ADDR", value_name = "ADDR", default_value = "[::]:50051")]
    #[arg(value_parser = address)]
    pub(crate) grpc_addr: SocketAddr,
    /// Address of the admin port, which serves /livez, /readyz and /metrics
    #[arg(long, env = "GATEWAY_ADMIN_ADDR", value_name = "ADDR", default_value = "[::]:9090")]
    #[arg(value_parser = address)]
    pub(crate) admin_addr: SocketAddr,
}

impl Listen {
    /// Checks that both addresses can be bound.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (grpc, admin) = (self.grpc_addr, self.admin_addr);
        // `[::]` includes IPv4, and 0.0.0.0 doesn't include IPv6.
        let covers = |one: SocketAddr, other: SocketAddr| {
            one.ip() == other.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
        };
        if grpc.port() != 0 && grpc.port() == admin.port() && (covers(grpc, admin) || covers(admin, grpc)) {
            let [grpc_flag, admin_flag] = ["--grpc-addr", "--admin-addr"].map(flag::<Self>);
            return Err(format!("{grpc_flag} and {admin_flag} can't both have port {}", grpc.port()));
        }
        Ok(())
    }
}
