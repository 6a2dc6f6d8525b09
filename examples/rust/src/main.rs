//! Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each.

mod balance;
mod gateway;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use gateway::{Gateway, Options, Verdict};

#[derive(Parser)]
#[command(
    about = "Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each"
)]
struct Arguments {
    /// Such as dns:///codepipeline-gateway-headless:50051
    #[arg(long)]
    target: String,
    /// Without it, ids are read from standard input, one a line
    #[arg(long)]
    job_id: Option<String>,
    /// Seconds for a job, retries included
    #[arg(long, default_value_t = 10.0)]
    timeout: f64,
    /// Further calls at most
    #[arg(long, default_value_t = 3)]
    retries: u32,
    /// PEM roots; without them it is plaintext
    #[arg(long)]
    ca: Option<PathBuf>,
    /// PEM client certificate
    #[arg(long)]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long)]
    key: Option<PathBuf>,
    /// A bearer token, read for each call
    #[arg(long)]
    token_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { target, job_id, timeout, retries, ca, cert, key, token_file } = Arguments::parse();
    let gateway = Gateway::new(&target, Options { ca, cert, key, token_file, retries })?;
    // Not arguments: those show in the list of processes.
    let secret = |name| std::env::var(name).unwrap_or_default();
    let (nonce, client_token) = (secret("CODEPIPELINE_NONCE"), secret("CODEPIPELINE_CLIENT_TOKEN"));
    let acknowledge = async |job: &str| {
        let answer = gateway.acknowledge(job, &nonce, &client_token, Duration::from_secs_f64(timeout)).await;
        let mut line = json!({ "job_id": job, "verdict": answer.verdict() });
        if let (Value::Object(line), Ok(Value::Object(fields))) = (&mut line, serde_json::to_value(&answer)) {
            line.extend(fields);
        }
        println!("{line}");
        answer.verdict()
    };

    let mut worst = Verdict::Yours;
    if let Some(job) = &job_id {
        worst = acknowledge(job).await;
    } else {
        let mut lines = BufReader::new(stdin()).lines();
        while let Some(job) = lines.next_line().await? {
            worst = worst.max(acknowledge(&job).await);
        }
    }
    Ok(match worst {
        Verdict::Yours => ExitCode::SUCCESS,
        Verdict::NotYours => ExitCode::from(1),
        Verdict::Unknown => ExitCode::from(3),
    })
}
