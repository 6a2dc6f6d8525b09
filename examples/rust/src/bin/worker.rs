//! Processes third-party jobs: poll, details, acknowledge, work, result. Prints a JSON line for
//! each job.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use acknowledge::command::{Connection, print_line, secret};
use acknowledge::gateway::Gateway;
use acknowledge::gateway::api::{ActionTypeId, ThirdPartyJob};
use acknowledge::worker::Worker;
use clap::Parser;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
#[command(about = "Processes third-party jobs, and prints a JSON line for each")]
struct Arguments {
    /// Category/Owner/Provider/Version
    #[arg(long, value_parser = action_type)]
    action_type: ActionTypeId,
    /// Seconds that a poll waits for a job; 0: it doesn't wait
    #[arg(long, default_value_t = 20.0)]
    wait: f64,
    /// Least seconds of a poll without a job
    #[arg(long, default_value_t = 5.0)]
    poll_interval: f64,
    /// Number of jobs at the same time
    #[arg(long, default_value_t = 1)]
    places: usize,
    /// Number of jobs to process; 0: no limit
    #[arg(long, default_value_t = 0)]
    jobs: usize,
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
    let Arguments { action_type, wait, poll_interval, places, jobs, connection } = Arguments::parse();
    // One client here. A partner's own records have the token of each client id.
    let token = secret("CODEPIPELINE_CLIENT_TOKEN");
    let gateway = Arc::new(connection.gateway()?);
    let (wait, interval) = (Duration::try_from_secs_f64(wait)?, Duration::try_from_secs_f64(poll_interval)?);
    let poller = Poller { gateway: gateway.clone(), action_type, wait, interval };
    let worker = Arc::new(Worker { gateway, client_token: move |_: &str| token.clone() });
    let semaphore = Arc::new(Semaphore::new(places));
    let (mut started, mut running) = (0, JoinSet::new());
    while jobs == 0 || started < jobs {
        let most = if jobs == 0 { places } else { places.min(jobs - started) };
        let free = take_free(&semaphore, most).await?;
        let found = poller.poll(free.len()).await;
        started += found.len();
        for (job, permit) in found.into_iter().zip(free) {
            let worker = worker.clone();
            running.spawn(async move {
                let (result, answer) = worker.process(&job).await;
                print_line(&job.job_id, "result", &result, &answer);
                drop(permit);
            });
        }
        while running.try_join_next().is_some() {}
    }
    running.join_all().await;
    Ok(())
}

/// Waits for a free place and takes all that are free, up to `most`.
async fn take_free(
    semaphore: &Arc<Semaphore>,
    most: usize,
) -> Result<Vec<OwnedSemaphorePermit>, Box<dyn Error>> {
    let mut taken = vec![semaphore.clone().acquire_owned().await?];
    while let (true, Ok(permit)) = (taken.len() < most, semaphore.clone().try_acquire_owned()) {
        taken.push(permit);
    }
    Ok(taken)
}

/// Asks for jobs of an action type.
struct Poller {
    gateway: Arc<Gateway>,
    action_type: ActionTypeId,
    wait: Duration,
    interval: Duration,
}

impl Poller {
    /// Returns jobs. Without jobs, it takes at least the interval, so that polls never follow each
    /// other fast.
    async fn poll(&self, free: usize) -> Vec<ThirdPartyJob> {
        let start = Instant::now();
        let most = free.try_into().unwrap_or(i32::MAX);
        let (found, answer) = self.gateway.poll(&self.action_type, most, self.wait).await;
        if !answer.is_ok() {
            print_line("", "result", &"", &answer);
        }
        if found.is_empty() {
            sleep_until(start + self.interval.max(answer.retry_after)).await;
        }
        found
    }
}
