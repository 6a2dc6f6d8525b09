//! Small helpers that several modules share. Each of them exists once, here.

pub(crate) mod accept;
pub(crate) mod backoff;
pub mod error_chain;
pub(crate) mod file_watch;
pub(crate) mod grpc_status;
pub(crate) mod pem;
pub(crate) mod rfc3339;
pub(crate) mod sha256;
pub(crate) mod text;
pub(crate) mod tls;
pub mod url;
