//! Authentication and authorization of callers.

mod jwt;
mod keys;
mod mtls;
mod operations;
