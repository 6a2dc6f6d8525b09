//! The shared parts of the tests: gateways, stand-in servers, calls, and waits with a deadline.

pub mod answer;
pub mod calls;
pub mod certificates;
pub mod collector;
pub mod credential_documents;
pub mod gateway;
pub mod grpc;
pub mod http;
pub mod http2;
pub mod http_server;
pub mod key_server;
pub mod operations;
pub mod panicking;
pub mod port;
pub mod process;
pub mod reflection;
pub mod scratch;
pub mod tokens;
pub mod until;
pub mod world;

pub use answer::Answer;
pub use calls::{
    Acknowledged, Client, JobRequest, NONCE, TOKEN, acknowledge, request, request_with, request_within, unary,
};
pub use gateway::{Gateway, REGION, Settings, fake_keys, settings};
pub use grpc::{
    ACKNOWLEDGE, CHECK, Headers, channel, check_health, connect, endpoint, grpc_frame, raw_call,
    raw_call_with_body, service_and_name, tls_endpoint, until_health, until_serving, watch_health,
};
pub use http::{exchange, get, is_ready, loopback, metric, series_value};
pub use http_server::{HttpServer, respond};
pub use operations::{
    AnyResponse, action_type, call, details_request, failure_by, failure_request, job_for, poll_for,
    poll_request, success_by, success_request,
};
pub use process::{Program, command, serve, simulator_with};
pub use scratch::Scratch;
pub use until::{PATIENCE, until, wait_for_abandoned, wait_for_requests, within};
pub use world::World;
