//! Reads OpenTelemetry's standard variables (OpenTelemetry Specification, "Environment Variable
//! Specification").
//!
//! An empty value counts as unset. An unreadable value is ignored with a warning that never shows
//! the value. The SDK's own warnings can't replace this, because its events never reach the log.
//!
//! The exporter reads headers and compression, and the SDK the limits of spans. The rest is read
//! here, because the SDK reads it differently:
//! - It accepts 0 as a number of spans or milliseconds.
//! - It doesn't decode resource attributes.
//! - It compares samplers by case, and doesn't check the range of a ratio.

use std::env;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;

/// The largest number of milliseconds: a day. A larger one is a mistake.
const MAX_MILLIS: u64 = 24 * 3600 * 1000;
/// The largest number of spans. A larger one would not limit the memory.
const MAX_SPANS: u64 = 1_000_000;

/// The variables, and the warnings about ignored ones so far.
#[derive(Default)]
pub(super) struct Otel {
    pub(super) warnings: Vec<String>,
}

impl Otel {
    /// Whether `OTEL_SDK_DISABLED` switches traces off.
    pub(super) fn is_disabled(&mut self) -> bool {
        const NAME: &str = "OTEL_SDK_DISABLED";
        self.is_true(get(NAME).map(|value| (NAME.into(), value)))
    }

    /// Whether an endpoint without a scheme has no TLS.
    pub(super) fn is_insecure(&mut self) -> bool {
        self.is_true(otlp("INSECURE"))
    }

    fn is_true(&mut self, given: Option<(String, String)>) -> bool {
        let Some((name, value)) = given else { return false };
        let value = value.to_ascii_lowercase();
        if !["true", "false"].contains(&&*value) {
            self.ignore(&name, "use true or false");
        }
        value == "true"
    }

    /// Whether traces are exported. Without a value, they are exported over OTLP.
    pub(super) fn exports_traces(&mut self) -> bool {
        const NAME: &str = "OTEL_TRACES_EXPORTER";
        let list = get(NAME).unwrap_or_else(|| "otlp".into()).to_ascii_lowercase();
        let mut names = list.split(',').map(str::trim);
        if names.clone().any(|name| !["otlp", "none"].contains(&name)) {
            self.ignore(NAME, "use otlp or none; the gateway exports traces over OTLP");
            return true;
        }
        !names.any(|name| name == "none")
    }

    pub(super) fn export_timeout(&mut self) -> Duration {
        let request = self.number(otlp("TIMEOUT"), 10_000, MAX_MILLIS);
        // By the standard, the first is for one request, and the second for its retries too. The
        // gateway has one timeout for all of them, so the shorter one applies.
        let batch = self.bsp("EXPORT_TIMEOUT", 30_000, MAX_MILLIS);
        Duration::from_millis(request.min(batch))
    }

    pub(super) fn batch_delay(&mut self) -> Duration {
        Duration::from_millis(self.bsp("SCHEDULE_DELAY", 5_000, MAX_MILLIS))
    }

    /// The maximum number of spans in the queue and in a batch.
    pub(super) fn queue(&mut self) -> (usize, usize) {
        let waiting = self.bsp("MAX_QUEUE_SIZE", 2_048, MAX_SPANS);
        let batch = self.bsp("MAX_EXPORT_BATCH_SIZE", 512, MAX_SPANS).min(waiting);
        let spans = |count| usize::try_from(count).unwrap_or(usize::MAX);
        (spans(waiting), spans(batch))
    }

    fn bsp(&mut self, name: &str, default: u64, most: u64) -> u64 {
        let name = format!("OTEL_BSP_{name}");
        self.number(get(&name).map(|value| (name, value)), default, most)
    }

    fn number(&mut self, given: Option<(String, String)>, default: u64, most: u64) -> u64 {
        let Some((name, value)) = given else { return default };
        match value.parse() {
            Ok(number) if (1..=most).contains(&number) => number,
            _ => {
                self.ignore(&name, &format!("use a whole number from 1 to {most}"));
                default
            }
        }
    }

    /// The exporter reads the compression itself. This adds the warning.
    pub(super) fn check_compression(&mut self) {
        let Some((name, _)) = otlp("COMPRESSION") else { return };
        // The exporter doesn't trim the value.
        let value = env::var(&name).unwrap_or_default().to_ascii_lowercase();
        if !["gzip", "none"].contains(&&*value) {
            self.ignore(&name, "use gzip or none");
        }
    }

    /// The SDK's own reading differs: names in capitals and ratios out of range get other samplers,
    /// so a warning could not say that the value is ignored.
    pub(super) fn sampler(&mut self) -> Sampler {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let kind = get(NAME).unwrap_or_else(|| "parentbased_always_on".into()).to_ascii_lowercase();
        let (is_parent_based, root) = match kind.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, &*kind),
        };
        let (is_parent_based, root) = match root {
            "always_on" => (is_parent_based, Sampler::AlwaysOn),
            "always_off" => (is_parent_based, Sampler::AlwaysOff),
            "traceidratio" => (is_parent_based, Sampler::TraceIdRatioBased(self.ratio())),
            _ => {
                let known = "always_on, always_off, traceidratio, or one of these after parentbased_";
                self.ignore(NAME, &format!("use {known}"));
                (true, Sampler::AlwaysOn)
            }
        };
        if is_parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
    }

    fn ratio(&mut self) -> f64 {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(value) = get(NAME) else { return 1.0 };
        match value.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
            _ => {
                self.ignore(NAME, "use a number from 0 to 1");
                1.0
            }
        }
    }

    /// The exporter reads the headers itself and omits unreadable ones silently.
    pub(super) fn check_headers(&mut self) {
        let Some((name, list)) = otlp("HEADERS") else { return };
        let is_header = |part: &str| {
            part.split_once('=').is_some_and(|(name, value)| {
                let value: Vec<u8> = percent_decode_str(value.trim()).collect();
                name.trim().parse::<HeaderName>().is_ok() && HeaderValue::from_bytes(&value).is_ok()
            })
        };
        if !list.split(',').map(str::trim).filter(|part| !part.is_empty()).all(is_header) {
            self.warnings.push(format!("{name}: a part isn't NAME=VALUE and is ignored; correct it"));
        }
    }

    /// The resource's attributes. `OTEL_RESOURCE_ATTRIBUTES` overrides the defaults, and
    /// `OTEL_SERVICE_NAME` overrides both.
    pub(super) fn resource(&mut self) -> Vec<KeyValue> {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let mut resource = vec![
            KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        match get(ATTRIBUTES).as_deref().map_or(Some(Vec::new()), attributes) {
            Some(given) => resource.extend(given),
            // By the standard, one unreadable part invalidates the whole value.
            None => self.ignore(ATTRIBUTES, "a part isn't NAME=VALUE; write special characters as %XX"),
        }
        resource.extend(get("OTEL_SERVICE_NAME").map(|name| KeyValue::new("service.name", name)));
        resource
    }

    fn ignore(&mut self, name: &str, why: &str) {
        self.warnings.push(format!("{name} is ignored: {why}"));
    }
}

/// The trimmed value of a variable. An empty one counts as unset.
pub(super) fn get(name: &str) -> Option<String> {
    non_blank(&env::var_os(name)?.to_string_lossy())
}

/// The trimmed value, unless nothing is left of it.
pub(super) fn non_blank(value: &str) -> Option<String> {
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The name and the value of `OTEL_EXPORTER_OTLP_TRACES_…`, or else of `OTEL_EXPORTER_OTLP_…`.
pub(super) fn otlp(name: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
    names.into_iter().find_map(|name| get(&name).map(|value| (name, value)))
}

/// Parses `key=value,key=value`, percent-encoded as in W3C Baggage.
fn attributes(list: &str) -> Option<Vec<KeyValue>> {
    let decoded =
        |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let attribute = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let key = decoded(key).filter(|key| !key.is_empty())?;
        Some(KeyValue::new(key, decoded(value)?))
    };
    list.split(',').filter(|part| !part.trim().is_empty()).map(attribute).collect()
}
