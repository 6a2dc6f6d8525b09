//! The simulator over real sockets, asked by a client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, as it should")]

mod client;
mod connections;
mod control;
mod faults;
mod job_file;
mod jobs;
mod signatures;
mod wire;

use codepipeline_simulator::{Config, Job, Simulator};
use tokio::net::TcpListener;

const JOB: &str = "job-1";
const NONCE: &str = "fake-nonce";
const TOKEN: &str = "fake-client-token";

/// A simulator with one well-behaved job.
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
