//! Where traces go, and which: one flag, and OpenTelemetry's standard variables.

use std::env;
use std::fs;
use std::time::Duration;

use clap::Args;
use codepipeline_gateway::telemetry::TraceSettings;
use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::otel::Otel;

/// Where traces go.
#[derive(Args, Clone, Debug)]
pub(crate) struct TraceArgs {
    /// Where traces go, by OTLP over gRPC, such as http://collector:4317; the other OTEL_* variables mean what they usually do [default: no traces]
    #[arg(long, env = ENDPOINT, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// How long the last spans may hold the end of the process: within the margin of any grace period.
const LAST_TIME: Duration = Duration::from_secs(3);

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What the flag and the variables mean together.
#[derive(Debug)]
pub(crate) struct TraceConfig {
    /// Nothing where there are no traces.
    pub(crate) settings: Option<TraceSettings>,
    /// The same for a person. Never the headers: they hold keys.
    pub(crate) shown: String,
    /// What had to be ignored, a line each.
    pub(crate) warnings: Vec<String>,
}

impl TraceArgs {
    /// Reads the variables and checks them together with the flag.
    ///
    /// # Errors
    /// One line that names the flag or the variable.
    pub(crate) fn config(&self) -> Result<TraceConfig, String> {
        self.config_with(&|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn config_with(&self, variables: &dyn Fn(&str) -> Option<String>) -> Result<TraceConfig, String> {
        let mut otel = Otel::new(variables);
        let off =
            |why: &str, warnings| Ok(TraceConfig { settings: None, shown: format!("off{why}"), warnings });
        let Some((name, endpoint)) = self.endpoint(&otel) else { return off("", Vec::new()) };
        if otel.is_true("OTEL_SDK_DISABLED") {
            return off(" (OTEL_SDK_DISABLED)", otel.warnings);
        }
        if !otel.exports_traces() {
            return off(" (OTEL_TRACES_EXPORTER)", otel.warnings);
        }
        if let Some((name, _other)) = otel.otlp("PROTOCOL").filter(|(_, protocol)| protocol != "grpc") {
            return Err(format!(
                "{name}: the gateway speaks OTLP over gRPC only: set it to grpc, or not at all"
            ));
        }
        let insecure = otel.otlp("INSECURE").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        let url = url(&endpoint, insecure)
            .map_err(|why| format!("{name}: {why}; one looks like http://collector:4317"))?;
        let collector = collector(&otel, &name, &url)?;
        otel.check_headers();
        let (max_waiting, max_batch) = otel.queue();
        let sampler = otel.sampler();
        let shown = format!("to {}, sampler {sampler:?}", url.to_string().trim_end_matches('/'));
        let settings = TraceSettings {
            collector,
            compression: otel.compression(),
            export_time: otel.export_time(),
            sampler,
            resource: otel.resource(),
            max_waiting,
            max_batch,
            batch_delay: otel.batch_delay(),
            last_time: LAST_TIME,
        };
        Ok(TraceConfig { settings: Some(settings), shown, warnings: otel.warnings })
    }

    /// The endpoint and what named it: a flag before variables, the variable for traces before the one for everything.
    fn endpoint(&self, otel: &Otel<'_>) -> Option<(String, String)> {
        let given = self.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        let is_flag = given.is_some() && given != otel.get(ENDPOINT);
        let for_traces = otel.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        match for_traces.filter(|_| !is_flag) {
            Some(endpoint) => Some(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT".into(), endpoint)),
            None => given.map(|endpoint| (format!("--otlp-endpoint ({ENDPOINT})"), endpoint)),
        }
    }
}

/// A URL without its scheme is https, unless `…_INSECURE` says otherwise.
fn url(endpoint: &str, insecure: bool) -> Result<Uri, &'static str> {
    let scheme = if insecure { "http" } else { "https" };
    let whole = if endpoint.contains("://") { endpoint.into() } else { format!("{scheme}://{endpoint}") };
    let url = codepipeline_gateway::util::url::parse(&whole)?;
    match url.path_and_query().map(http::uri::PathAndQuery::as_str) {
        None | Some("/") => Ok(url),
        Some(_path) => Err("it has a path: that is OTLP over HTTP, and the gateway speaks OTLP over gRPC"),
    }
}

/// The collector with its TLS, from files that are read now and not again.
fn collector(otel: &Otel<'_>, name: &str, url: &Uri) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from(url.clone());
    if url.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match otel.otlp("CERTIFICATE") {
        Some((name, path)) => {
            let pem = read(&name, &path)?;
            if CertificateDer::from_pem_slice(&pem).is_err() {
                return Err(format!("{name}: {path}: no certificate in PEM form in it"));
            }
            tls.ca_certificate(Certificate::from_pem(pem))
        }
        None => tls.with_native_roots(),
    };
    tls = match (otel.otlp("CLIENT_CERTIFICATE"), otel.otlp("CLIENT_KEY")) {
        (Some(certificate), Some(key)) => {
            tls.identity(Identity::from_pem(read(&certificate.0, &certificate.1)?, read(&key.0, &key.1)?))
        }
        (None, None) => tls,
        (Some((name, _)), None) | (None, Some((name, _))) => {
            return Err(format!("{name}: a client certificate and its key go together"));
        }
    };
    endpoint.tls_config(tls).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        format!("{name}: TLS can't be set up with the files that are named: {why}")
    })
}

fn read(name: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{name}: {path}: {error}"))
}
