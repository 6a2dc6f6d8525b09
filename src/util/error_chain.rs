//! Walks the sources of an error. The error that a library returns is often only the outermost one.

use std::error::Error;

/// An error and its sources in one line: "dispatch failure: io error: connection refused".
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// The error itself and all its sources.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
