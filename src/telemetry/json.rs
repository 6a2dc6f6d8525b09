//! Formats a log line as one JSON object: time, level, the event's fields, target.
//!
//! The format is that of `tracing-subscriber` with `flatten_event`. Its formatter passes every
//! comma through two layers of writers, which costs a call more than all its metrics. This one
//! builds the line first and writes it once.

use std::fmt;
use std::time::SystemTime;

use serde::ser::{SerializeMap, Serializer};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The usual length of a call's line, in bytes.
const USUAL_LENGTH: usize = 640;

pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Vec::with_capacity(USUAL_LENGTH);
        write(&mut line, event).map_err(|_| fmt::Error)?;
        line.push(b'\n');
        writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

fn write(line: &mut Vec<u8>, event: &Event<'_>) -> serde_json::Result<()> {
    // A clock before 1970 must not make `humantime` panic.
    let time = humantime::format_rfc3339_micros(SystemTime::now().max(SystemTime::UNIX_EPOCH));
    // An event from the `log` crate has its target among its fields.
    let normalized = event.normalized_metadata();
    let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
    let mut serializer = serde_json::Serializer::new(line);
    let mut object = serializer.serialize_map(None)?;
    object.serialize_entry("timestamp", &format_args!("{time}"))?;
    object.serialize_entry("level", metadata.level().as_str())?;
    let mut fields = SerdeMapVisitor::new(object);
    event.record(&mut fields);
    let mut object = fields.take_serializer()?;
    object.serialize_entry("target", metadata.target())?;
    object.end()
}
