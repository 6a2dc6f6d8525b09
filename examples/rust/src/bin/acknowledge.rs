//! Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each.

use std::error::Error;
use std::process::ExitCode;

use acknowledge::answer::Verdict;
use acknowledge::command::{Connection, print_line, secret};
use clap::Parser;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[derive(Parser)]
#[command(
    about = "Acknowledges a job, or each job whose id comes in on a line, and prints a JSON line for each"
)]
struct Arguments {
    /// Without it, ids are read from standard input, one per line
    #[arg(long)]
    job_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { job_id, connection } = Arguments::parse();
    let (nonce, client_token) = (secret("CODEPIPELINE_NONCE"), secret("CODEPIPELINE_CLIENT_TOKEN"));
    let gateway = connection.gateway()?;
    let acknowledge = async |job: &str| {
        let answer = gateway.acknowledge(job, &nonce, &client_token).await;
        print_line(job, "verdict", &answer.verdict(), &answer);
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
