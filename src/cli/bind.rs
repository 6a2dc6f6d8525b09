//! Binds listeners and raises the limit of open files.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use codepipeline_gateway::gateway::Settings;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::output::CliError;
use crate::config::{LimitArgs, flag};

/// The number of connections that can wait to be accepted. The kernel caps it
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Open files besides connections and calls: standard streams, the runtime, certificates, and up to
/// 64 connections of the admin port.
const OTHER_FILES: u64 = 128;

/// Binds an address. The error names the flag, which can include its variable.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, CliError> {
    let bound = listen(address).or_else(|error| match error.raw_os_error() {
        // EAFNOSUPPORT: the kernel has no IPv6, so `[::]` means every IPv4 address.
        Some(97) if address.ip().is_unspecified() => listen((Ipv4Addr::UNSPECIFIED, address.port()).into()),
        _ => Err(error),
    });
    bound.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => ". Stop the other program, or set another address",
            _ => "",
        };
        CliError::Failed(format!("{flag}: can't listen on {address}: {error}{advice}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` includes IPv4, independent of the system's default (`net.ipv6.bindv6only`).
        socket.set_only_v6(false)?;
    }
    // Without this, a restart fails while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Raises the limit of open files to its maximum, because containerd's default soft limit can be
/// 1,024. Each call in flight can have its own connection to AWS.
pub(super) fn raise_file_limit(settings: &Settings) -> Result<(), CliError> {
    let needed = (settings.max_connections as u64)
        .saturating_add(settings.max_in_flight as u64)
        .saturating_add(OTHER_FILES);
    // If the limit can't be raised, the current limit is checked.
    let limit = rlimit::increase_nofile_limit(rlimit::INFINITY)
        .or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft));
    match limit {
        Ok(limit) if limit < needed => {
            let [connections, calls] = ["--max-connections", "--max-in-flight"].map(flag::<LimitArgs>);
            Err(CliError::Usage(format!(
                "the limit of open files is {limit}, and {connections} and {calls} can need {needed}: \
                 raise the limit (ulimit -n), or lower these values"
            )))
        }
        _ => Ok(()),
    }
}
