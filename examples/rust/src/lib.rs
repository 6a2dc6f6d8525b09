//! Processes third-party jobs through codepipeline-gateway.

pub mod answer;
mod balance;
pub mod command;
pub mod gateway;
pub mod worker;
