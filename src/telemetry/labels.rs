//! The labels of a metric.

/// A set of labels. Names and values are known at compile time, so that nothing from outside can create new time series.
pub(super) type Labels<const N: usize> = [(&'static str, &'static str); N];
