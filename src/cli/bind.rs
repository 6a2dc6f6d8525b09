//! What a listener needs from the operating system: a port, on IPv6 and IPv4, and files enough for its connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use codepipeline_gateway::gateway::Settings;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::CliError;

/// Connections that wait to be accepted; the kernel cuts it to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Files that the process has open besides connections and calls: standard streams, the runtime, certificates, the admin
/// port's connections (64 at most).
const OTHER_FILES: u64 = 128;

/// Binds a port, or says in one line which flag and variable name the one that can't be had.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, CliError> {
    let bound = listen(address).or_else(|error| match error.raw_os_error() {
        // EAFNOSUPPORT: a kernel without IPv6, where `[::]` can only mean every IPv4 address.
        Some(97) if address.ip().is_unspecified() => listen((Ipv4Addr::UNSPECIFIED, address.port()).into()),
        _ => Err(error),
    });
    bound.map_err(|error| CliError::Failed(format!("{flag}: can't listen on {address}: {error}")))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Whatever the system's default is (`net.ipv6.bindv6only`): `[::]` takes IPv4 too.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Raises the limit of open files as far as it goes: containerd's default soft limit can be 1,024.
///
/// Each call in flight may have a connection of its own to AWS.
pub(super) fn raise_file_limit(settings: &Settings) -> Result<(), CliError> {
    let needed = (settings.max_connections as u64)
        .saturating_add(settings.max_in_flight as u64)
        .saturating_add(OTHER_FILES);
    // Where it can't be raised, or isn't known, the limit in force decides.
    let limit = rlimit::increase_nofile_limit(rlimit::INFINITY)
        .or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft));
    match limit {
        Ok(limit) if limit < needed => Err(CliError::Usage(format!(
            "the limit of open files is {limit}, and --max-connections (GATEWAY_MAX_CONNECTIONS) and --max-in-flight \
             (GATEWAY_MAX_IN_FLIGHT) may need {needed}: raise it (ulimit -n) or lower them"
        ))),
        _ => Ok(()),
    }
}
