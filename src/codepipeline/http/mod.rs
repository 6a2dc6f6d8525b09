//! HTTP/1.1 connections to AWS.
//!
//! `connect` opens a connection, through a proxy if one is configured. `connection` sends a request
//! on it, and `pool` keeps idle ones. A call drives its connection in its own task: a task for each
//! connection, as hyper-util's client has it, costs a call several wake-ups and much memory.

mod connect;
mod connection;
mod pool;

pub(super) use connect::Connector;
pub(super) use pool::Pool;
