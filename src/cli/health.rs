//! The subcommand `health`: reads the status of a running gateway from `grpc.health.v1`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use codepipeline_gateway::util::error_chain::causes;
use tonic::Status;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::output::{CliError, print_line};
use crate::config::positive;

/// The flags of `health`.
#[derive(clap::Args, Debug)]
pub(super) struct Health {
    /// Address of the gateway's gRPC port
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:50051")]
    addr: String,
    /// Use TLS, with the system's CA certificates unless --ca is set
    #[arg(long)]
    tls: bool,
    /// PEM file with the CA certificates for the gateway's certificate; implies --tls
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file with the client certificate; implies --tls and requires --key
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file with the client certificate's private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name in the gateway's certificate, if it isn't the host of --addr; implies --tls
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Maximum time to wait for the response
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive)]
    timeout: Duration,
}

impl Health {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let invalid = |error: &dyn std::fmt::Display| {
            CliError::Usage(format!("--addr: {:?} isn't HOST:PORT: {error}", self.addr))
        };
        let tls = self.tls_config()?;
        let uses_tls = tls.is_some();
        let scheme = if uses_tls { "https" } else { "http" };
        let endpoint =
            Endpoint::from_shared(format!("{scheme}://{}", self.addr)).map_err(|error| invalid(&error))?;
        let uri = endpoint.uri();
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/") && !self.addr.contains('@');
        if uri.port().is_none() || !is_bare || uri.host().is_none_or(str::is_empty) {
            return Err(invalid(&"use an address such as localhost:50051"));
        }
        let endpoint = match tls {
            Some(tls) => endpoint
                .tls_config(tls)
                .map_err(|error| CliError::Usage(format!("{}: {}", self.tls_files(), tls_error(&error))))?,
            None => endpoint,
        };
        let check = async {
            let channel = endpoint.connect().await.map_err(|error| connect_error(&error))?;
            let request = HealthCheckRequest { service: String::new() };
            let response = HealthClient::new(channel).check(request).await;
            response
                .map(|response| response.into_inner().status())
                .map_err(|status| call_error(&status, uses_tls, self.cert.is_some()))
        };
        match tokio::time::timeout(self.timeout, check).await {
            Ok(Ok(ServingStatus::Serving)) => print_line("SERVING"),
            Ok(Ok(status)) => Err(CliError::Failed(format!(
                "{}: {}; see /readyz on the admin port, or the log",
                self.addr,
                status.as_str_name()
            ))),
            Ok(Err(reason)) => Err(CliError::Failed(format!("{}: {reason}", self.addr))),
            Err(_elapsed) => {
                Err(CliError::Failed(format!("{}: no response within {:?}", self.addr, self.timeout)))
            }
        }
    }
}

impl Health {
    /// The flags of the files that are in use.
    fn tls_files(&self) -> String {
        let given = [("--ca", self.ca.is_some()), ("--cert and --key", self.cert.is_some())];
        let flags: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
        if flags.is_empty() { "--tls".into() } else { flags.join(", ") }
    }

    fn tls_config(&self) -> Result<Option<ClientTlsConfig>, CliError> {
        if !self.tls && self.ca.is_none() && self.cert.is_none() && self.server_name.is_none() {
            return Ok(None);
        }
        let read = |flag: &str, path: &PathBuf| {
            fs::read(path).map_err(|error| CliError::Usage(format!("{flag} {}: {error}", path.display())))
        };
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read("--ca", path)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(Identity::from_pem(read("--cert", cert)?, read("--key", key)?));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        Ok(Some(tls))
    }
}

/// The innermost cause. The outer ones only say "transport error".
fn last_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

/// The error for files that TLS can't use.
fn tls_error(error: &(dyn Error + 'static)) -> String {
    let cause = last_cause(error);
    if cause.contains("KeyMismatch") {
        "the private key doesn't belong to the certificate".into()
    } else {
        cause
    }
}

/// The error if the connection failed.
fn connect_error(error: &(dyn Error + 'static)) -> String {
    let cause = last_cause(error);
    // rustls has this error for bytes that aren't TLS.
    if cause.contains("InvalidContentType") {
        "the server doesn't use TLS; remove --tls, --ca, --cert and --server-name".into()
    } else {
        format!("can't connect: {cause}")
    }
}

/// The error if the call failed. A status without a source comes from the gateway.
fn call_error(status: &Status, uses_tls: bool, has_certificate: bool) -> String {
    if status.source().is_none() {
        return status.message().to_owned();
    }
    let advice = match (has_certificate, uses_tls) {
        (true, _) => "it rejects the certificate of --cert",
        (false, true) => "it requires a client certificate; set --cert and --key",
        (false, false) => "it uses TLS; set --tls or --ca",
    };
    format!("the server closed the connection. If this is the gRPC port, {advice}")
}

/// A channel to the gateway of this process, as soon as it serves.
#[cfg(feature = "simulator")]
pub(super) async fn serving_channel(
    address: std::net::SocketAddr,
) -> Result<tonic::transport::Channel, CliError> {
    let failed =
        |error: &dyn std::fmt::Display| CliError::Failed(format!("the gateway didn't start: {error}"));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| failed(&error))?;
    let channel = endpoint.connect().await.map_err(|error| failed(&error))?;
    let request = HealthCheckRequest { service: String::new() };
    let watch = HealthClient::new(channel.clone())
        .watch(request)
        .await
        .map_err(|status| failed(&status.message()))?;
    let mut watch = watch.into_inner();
    while let Some(status) = watch.message().await.map_err(|status| failed(&status.message()))? {
        if status.status() == ServingStatus::Serving {
            return Ok(channel);
        }
    }
    Err(failed(&"its health stream ended"))
}
