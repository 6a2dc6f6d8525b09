//! The labels of a metric.

/// A set of labels. Names and values are constants, so that input can't create time series.
pub(super) type Labels<const N: usize> = [(&'static str, &'static str); N];
