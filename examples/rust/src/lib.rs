//! Processes third-party jobs through codepipeline-gateway.

pub mod answer;
pub mod artifacts;
mod balance;
pub mod command;
pub mod gateway;
pub mod worker;
