//! The settings of traces: one flag, and OpenTelemetry's standard variables.

use std::fs;
use std::time::Duration;

use clap::Args;
use codepipeline_gateway::telemetry::TraceSettings;
use codepipeline_gateway::util::error_chain::causes;
use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::flag::flag;
use super::otel::{self, Otel};

/// The flag for traces.
#[derive(Args, Clone, Debug)]
pub(crate) struct TraceArgs {
    /// URL of the collector that receives traces, as OTLP over gRPC, such as http://collector:4317;
    /// the other OTEL_* variables have their standard meaning [default: no traces]
    #[arg(long, env = ENDPOINT, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// The timeout of the last spans at shutdown. It fits into the margin of any grace period.
const LAST_SPANS_TIMEOUT: Duration = Duration::from_secs(3);

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The result of the flag and the variables.
#[derive(Debug)]
pub(crate) struct TraceConfig {
    /// None without traces.
    pub(crate) settings: Option<TraceSettings>,
    /// The settings for a person, without the headers, because they contain API keys.
    pub(crate) shown: String,
    /// One line per ignored variable.
    pub(crate) warnings: Vec<String>,
}

impl TraceArgs {
    /// Reads the variables and checks them together with the flag.
    ///
    /// # Errors
    /// One line that names the flag or the variable.
    pub(crate) fn config(&self) -> Result<TraceConfig, String> {
        let mut otel = Otel::default();
        let off =
            |why: &str, warnings| Ok(TraceConfig { settings: None, shown: format!("off{why}"), warnings });
        let Some((name, endpoint)) = self.endpoint() else { return off("", Vec::new()) };
        if otel.is_disabled() {
            return off(" (OTEL_SDK_DISABLED)", otel.warnings);
        }
        if !otel.exports_traces() {
            return off(" (OTEL_TRACES_EXPORTER)", otel.warnings);
        }
        if let Some((name, _other)) = otel::otlp("PROTOCOL").filter(|(_, protocol)| protocol != "grpc") {
            return Err(format!(
                "{name}: the gateway supports only OTLP over gRPC; set it to grpc, or remove it"
            ));
        }
        let url = url(&endpoint, otel.is_insecure())
            .map_err(|why| format!("{name}: {why}; use a URL such as http://collector:4317"))?;
        let collector = collector(&name, &url)?;
        otel.check_headers();
        otel.check_compression();
        let (max_waiting, max_batch) = otel.queue();
        let sampler = otel.sampler();
        let shown = format!("to {}, sampler {sampler:?}", url.to_string().trim_end_matches('/'));
        let settings = TraceSettings {
            collector,
            export_time: otel.export_timeout(),
            sampler,
            resource: otel.resource(),
            max_waiting,
            max_batch,
            batch_delay: otel.batch_delay(),
            last_time: LAST_SPANS_TIMEOUT,
        };
        Ok(TraceConfig { settings: Some(settings), shown, warnings: otel.warnings })
    }

    /// The flag or variable of the endpoint, and the endpoint. The flag overrides the variables,
    /// and the variable for traces overrides the one for all signals.
    fn endpoint(&self) -> Option<(String, String)> {
        let given = self.otlp_endpoint.as_deref().and_then(otel::non_blank);
        let is_flag = given.is_some() && given != otel::get(ENDPOINT);
        let for_traces = otel::get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        match for_traces.filter(|_| !is_flag) {
            Some(endpoint) => Some(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT".into(), endpoint)),
            None => given.map(|endpoint| (flag::<Self>("--otlp-endpoint"), endpoint)),
        }
    }
}

/// Parses the endpoint. Without a scheme it is https, unless `…_INSECURE` is true.
fn url(endpoint: &str, insecure: bool) -> Result<Uri, &'static str> {
    let scheme = if insecure { "http" } else { "https" };
    let whole = if endpoint.contains("://") { endpoint.into() } else { format!("{scheme}://{endpoint}") };
    let url = codepipeline_gateway::util::url::parse(&whole)?;
    match url.path_and_query().map(http::uri::PathAndQuery::as_str) {
        None | Some("/") => Ok(url),
        Some(_path) => Err("must have no path; the gateway supports only OTLP over gRPC"),
    }
}

/// The collector with its TLS settings. The files are read once.
fn collector(name: &str, url: &Uri) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from(url.clone());
    if url.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match otel::otlp("CERTIFICATE") {
        Some((name, path)) => {
            let pem = read(&name, &path)?;
            if CertificateDer::from_pem_slice(&pem).is_err() {
                return Err(format!("{name}: {path}: the file has no PEM certificate"));
            }
            tls.ca_certificate(Certificate::from_pem(pem))
        }
        None => tls.with_native_roots(),
    };
    tls = match (otel::otlp("CLIENT_CERTIFICATE"), otel::otlp("CLIENT_KEY")) {
        (Some(certificate), Some(key)) => {
            tls.identity(Identity::from_pem(read(&certificate.0, &certificate.1)?, read(&key.0, &key.1)?))
        }
        (None, None) => tls,
        (Some((name, _)), None) | (None, Some((name, _))) => {
            return Err(format!("{name}: a client certificate and its key require each other"));
        }
    };
    endpoint.tls_config(tls).map_err(|error| {
        let why = causes(&error).nth(1).unwrap_or(&error);
        format!("{name}: can't set up TLS with these files: {why}")
    })
}

fn read(name: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{name}: {path}: {error}"))
}
