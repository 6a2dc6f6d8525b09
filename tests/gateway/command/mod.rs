//! The command as an operator uses it: the real binary, a clean environment, exit codes, and
//! output.

mod advice;
mod check;
mod collector;
mod credentials;
mod health;
mod help;
mod keys;
mod otlp;
mod serve;
mod signals;
mod simulator;
mod tls;
mod usage;
