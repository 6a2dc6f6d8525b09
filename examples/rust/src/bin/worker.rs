//! Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for
//! each job.

use std::error::Error;
use std::time::Duration;

use acknowledge::command::{Connection, print_line, secret};
use acknowledge::gateway::api::ActionTypeId;
use acknowledge::worker::Worker;
use clap::Parser;
use tokio::time::sleep;

#[derive(Parser)]
#[command(about = "Processes third-party jobs, and prints a JSON line for each")]
struct Arguments {
    /// Category/Owner/Provider/Version
    #[arg(long, value_parser = action_type)]
    action_type: ActionTypeId,
    /// Seconds until the next poll if there is no job
    #[arg(long, default_value_t = 5.0)]
    poll_interval: f64,
    /// Number of jobs to process; 0: no limit
    #[arg(long, default_value_t = 0)]
    jobs: u32,
    #[command(flatten)]
    connection: Connection,
}

fn action_type(text: &str) -> Result<ActionTypeId, String> {
    let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
    let [category, owner, provider, version] =
        <[String; 4]>::try_from(parts).map_err(|_| "it must be Category/Owner/Provider/Version")?;
    Ok(ActionTypeId { category, owner, provider, version })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { action_type, poll_interval, jobs, connection } = Arguments::parse();
    let gateway = connection.gateway()?;
    // One client here. A partner's own records have the token of each client id.
    let worker = Worker { gateway, client_token: |_| secret("CODEPIPELINE_CLIENT_TOKEN") };
    let mut done = 0;
    while jobs == 0 || done < jobs {
        let (found, answer) = worker.gateway.poll(&action_type, 1).await;
        if !answer.is_ok() {
            print_line("", "result", &"", &answer);
        }
        for job in &found {
            let (result, answer) = worker.process(job).await;
            print_line(&job.job_id, "result", &result, &answer);
            done += 1;
        }
        if found.is_empty() {
            sleep(Duration::from_secs_f64(poll_interval)).await;
        }
    }
    Ok(())
}
