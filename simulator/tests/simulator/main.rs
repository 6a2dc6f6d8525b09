//! The simulator over real sockets, called by a client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports a failure by a panic")]

mod acknowledge;
mod client;
mod connections;
mod control;
mod faults;
mod job_file;

mod signatures;
mod wire;

use codepipeline_simulator::{Config, Job, Simulator};
use tokio::net::TcpListener;

const JOB: &str = "job-1";
const NONCE: &str = "fake-nonce";
const TOKEN: &str = "fake-client-token";

/// A simulator with one job.
async fn simulator() -> Simulator {
    with_config(Config::default()).await
}

async fn with_config(config: Config) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(listener, config).unwrap();
    simulator.add_job(job());
    simulator
}

fn job() -> Job {
    Job::new(JOB, NONCE, TOKEN)
}
