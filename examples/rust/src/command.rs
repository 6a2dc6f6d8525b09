//! The options that both commands share, and the lines that they print.

use std::error::Error;
use std::path::PathBuf;
use std::process::exit;
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::gateway::{Gateway, Options};

/// How to reach the gateway.
#[derive(clap::Args)]
pub struct Connection {
    /// Such as dns:///codepipeline-gateway-headless:50051
    #[arg(long)]
    target: String,
    /// Seconds per call, retries included, without the wait
    #[arg(long, default_value_t = 10.0)]
    timeout: f64,
    /// Maximum number of retries
    #[arg(long, default_value_t = 3)]
    retries: u32,
    /// PEM file with CA certificates; without it, the connection is plaintext
    #[arg(long)]
    ca: Option<PathBuf>,
    /// PEM file with the client certificate
    #[arg(long)]
    cert: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long)]
    key: Option<PathBuf>,
    /// File with a bearer token, read for each call
    #[arg(long)]
    token_file: Option<PathBuf>,
}

impl Connection {
    /// The gateway that these options name.
    pub fn gateway(self) -> Result<Gateway, Box<dyn Error>> {
        let Self { target, timeout, retries, ca, cert, key, token_file } = self;
        let timeout = Duration::from_secs_f64(timeout);
        Gateway::new(&target, Options { ca, cert, key, token_file, retries, timeout })
    }
}

/// A secret, or the end of the program. It isn't an argument, because arguments show in the list
/// of processes.
#[must_use]
pub fn secret(variable: &str) -> String {
    match std::env::var(variable) {
        Ok(value) if !value.is_empty() => value,
        _ => {
            eprintln!("{variable} is missing or empty");
            exit(2);
        }
    }
}

/// Prints a line of JSON.
pub fn print_line(job_id: &str, name: &str, value: &impl serde::Serialize, answer: &Answer) {
    let mut line = json!({ "job_id": job_id, name: value });
    if let (Value::Object(line), Ok(Value::Object(fields))) = (&mut line, serde_json::to_value(answer)) {
        line.extend(fields);
    }
    println!("{line}");
}
