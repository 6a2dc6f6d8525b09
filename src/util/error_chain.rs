//! An error and what is under it: what libraries call an error is often only its outermost wrapping.

use std::error::Error;

/// An error and what caused it, in one line: "dispatch failure: io error: connection refused".
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// The error itself and everything under it.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
