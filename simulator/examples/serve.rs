//! Runs a simulator with the jobs of a file: `cargo run --example serve -- ADDR JOBS.JSON`.

#![allow(clippy::print_stdout, reason = "the example prints its endpoint URL")]

use std::error::Error;

use codepipeline_simulator::{Config, Simulator, jobs};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(addr), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve ADDR JOBS.JSON".into());
    };
    let file = jobs::from_json(&std::fs::read_to_string(path)?)?;
    let mut config = Config::default();
    file.apply_to(&mut config);
    let simulator = Simulator::start(TcpListener::bind(addr).await?, config)?;
    for job in file.jobs {
        simulator.add_job(job);
    }
    println!("{}", simulator.endpoint_url());
    tokio::signal::ctrl_c().await?;
    simulator.stop().await;
    Ok(())
}
