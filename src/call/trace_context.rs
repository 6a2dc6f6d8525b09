//! A call's position in a distributed trace, as plain data.

/// The span that the call's attempts at AWS belong under (W3C Trace Context). Only a recorded trace
/// has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The id of the trace.
    pub trace_id: [u8; 16],
    /// The id of the call's own span.
    pub span_id: [u8; 8],
    /// The `tracestate` header of the trace.
    pub state: String,
}
