//! OpenTelemetry's standard variables (OpenTelemetry Specification, "Environment Variable Specification"): what is empty
//! counts as unset, and what can't be read is ignored with a warning that never shows it.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_otlp::Compression;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;

/// A number of milliseconds that is nobody's intent: a day.
const MAX_MILLIS: u64 = 24 * 3600 * 1000;
/// A number of spans that would be no limit any more.
const MAX_SPANS: u64 = 1_000_000;

/// The variables, and what had to be ignored of them so far.
pub(super) struct Otel<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Otel<'a> {
    pub(super) fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { read, warnings: Vec::new() }
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.read)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// `OTEL_EXPORTER_OTLP_TRACES_…` or else `OTEL_EXPORTER_OTLP_…`: its name and its value.
    pub(super) fn otlp(&self, name: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    pub(super) fn is_true(&mut self, name: &str) -> bool {
        let value = self.get(name).unwrap_or_default().to_ascii_lowercase();
        if !["", "true", "false"].contains(&&*value) {
            self.ignore(name, "it is neither true nor false");
        }
        value == "true"
    }

    /// Whether an exporter is asked for that there is: no word means OTLP.
    pub(super) fn exports_traces(&mut self) -> bool {
        const NAME: &str = "OTEL_TRACES_EXPORTER";
        let list = self.get(NAME).unwrap_or_else(|| "otlp".into()).to_ascii_lowercase();
        let mut names = list.split(',').map(str::trim);
        if names.clone().any(|name| !["otlp", "none"].contains(&name)) {
            self.ignore(NAME, "the gateway has otlp and none; traces go out by OTLP");
            return true;
        }
        !names.any(|name| name == "none")
    }

    pub(super) fn export_time(&mut self) -> Duration {
        let otlp = self.otlp("TIMEOUT").unwrap_or_default();
        let otlp = self.number(&otlp.0, Some(otlp.1), 10_000, MAX_MILLIS);
        // The exporter's time is for one request, the batch's for all of its repeats; ours is for all of them anyway.
        let batch = self.bsp("EXPORT_TIMEOUT", 30_000, MAX_MILLIS);
        Duration::from_millis(otlp.min(batch))
    }

    pub(super) fn batch_delay(&mut self) -> Duration {
        Duration::from_millis(self.bsp("SCHEDULE_DELAY", 5_000, MAX_MILLIS))
    }

    /// How many spans may wait, and how many are sent together.
    pub(super) fn queue(&mut self) -> (usize, usize) {
        let waiting = self.bsp("MAX_QUEUE_SIZE", 2_048, MAX_SPANS);
        let batch = self.bsp("MAX_EXPORT_BATCH_SIZE", 512, MAX_SPANS).min(waiting);
        let spans = |count| usize::try_from(count).unwrap_or(usize::MAX);
        (spans(waiting), spans(batch))
    }

    fn bsp(&mut self, name: &str, default: u64, most: u64) -> u64 {
        let name = format!("OTEL_BSP_{name}");
        let value = self.get(&name);
        self.number(&name, value, default, most)
    }

    fn number(&mut self, name: &str, value: Option<String>, default: u64, most: u64) -> u64 {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return default };
        match value.parse() {
            Ok(number) if (1..=most).contains(&number) => number,
            _ => {
                self.ignore(name, &format!("it is no whole number from 1 to {most}"));
                default
            }
        }
    }

    pub(super) fn compression(&mut self) -> Option<Compression> {
        let (name, value) = self.otlp("COMPRESSION")?;
        match &*value.to_ascii_lowercase() {
            "gzip" => return Some(Compression::Gzip),
            "none" => {}
            _ => self.ignore(&name, "there are gzip and none"),
        }
        None
    }

    pub(super) fn sampler(&mut self) -> Sampler {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let kind = self.get(NAME).map(|kind| kind.to_ascii_lowercase());
        let (parent, root) = match kind.as_deref() {
            None | Some("parentbased_always_on") => (true, Sampler::AlwaysOn),
            Some("parentbased_always_off") => (true, Sampler::AlwaysOff),
            Some("parentbased_traceidratio") => (true, Sampler::TraceIdRatioBased(self.ratio())),
            Some("always_on") => (false, Sampler::AlwaysOn),
            Some("always_off") => (false, Sampler::AlwaysOff),
            Some("traceidratio") => (false, Sampler::TraceIdRatioBased(self.ratio())),
            Some(_) => {
                self.ignore(
                    NAME,
                    "there are always_on, always_off, traceidratio, and each with parentbased_ before it",
                );
                (true, Sampler::AlwaysOn)
            }
        };
        if parent { Sampler::ParentBased(Box::new(root)) } else { root }
    }

    fn ratio(&mut self) -> f64 {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(value) = self.get(NAME) else { return 1.0 };
        match value.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
            _ => {
                self.ignore(NAME, "it is no number from 0 to 1");
                1.0
            }
        }
    }

    /// The exporter reads the headers itself and leaves out silently what it can't read.
    pub(super) fn check_headers(&mut self) {
        let Some((name, list)) = self.otlp("HEADERS") else { return };
        let is_header = |part: &str| {
            part.split_once('=').is_some_and(|(name, value)| {
                let value: Vec<u8> = percent_decode_str(value.trim()).collect();
                name.trim().parse::<HeaderName>().is_ok() && HeaderValue::from_bytes(&value).is_ok()
            })
        };
        if !list.split(',').map(str::trim).filter(|part| !part.is_empty()).all(is_header) {
            self.ignore(&name, "a part of it is not NAME=VALUE; the rest is sent");
        }
    }

    /// What is true of every span: the defaults, OTEL_RESOURCE_ATTRIBUTES over them, OTEL_SERVICE_NAME over all.
    pub(super) fn resource(&mut self) -> Vec<KeyValue> {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let mut resource = vec![
            KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        match self.get(ATTRIBUTES).as_deref().map_or(Some(Vec::new()), attributes) {
            Some(given) => resource.extend(given),
            // The standard says: all of it, if one part can't be read.
            None => self.ignore(ATTRIBUTES, "a part of it is not NAME=VALUE with other characters as %XX"),
        }
        resource.extend(self.get("OTEL_SERVICE_NAME").map(|name| KeyValue::new("service.name", name)));
        resource
    }

    fn ignore(&mut self, name: &str, why: &str) {
        self.warnings.push(format!("{name} is ignored: {why}"));
    }
}

/// `key=value,key=value`, percent-encoded as in W3C Baggage.
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
