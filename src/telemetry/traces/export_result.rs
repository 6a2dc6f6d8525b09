//! The possible results of a finished span.

/// The result of a finished span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportResult {
    /// The collector accepted the span.
    Exported,
    /// The collector didn't accept the span in time.
    Failed,
    /// The queue was full.
    Dropped,
}

impl ExportResult {
    pub(crate) const ALL: [Self; 3] = [Self::Exported, Self::Failed, Self::Dropped];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "ok",
            Self::Failed => "error",
            Self::Dropped => "dropped",
        }
    }
}
