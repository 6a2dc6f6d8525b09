//! Small helpers that several modules share. Each of them exists once, here.

pub(crate) mod error_chain;
pub(crate) mod pem;
pub(crate) mod rfc3339;
pub mod url;
