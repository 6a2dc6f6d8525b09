//! Listening, and the state that all connections share. One task accepts and owns the task of every
//! connection.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::codepipeline::Pipeline;
use crate::config::{AccessKey, Config, SecondAcknowledge};
use crate::connection;
use crate::jobs::Job;
use crate::plan::Plan;
use crate::records::Records;

/// How long accepting rests after it failed, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// What every connection and the handle share. Where two locks are held at once, the pipeline's is taken
/// first.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) records: Arc<Records>,
    pub(crate) region: Option<String>,
    keys: RwLock<Vec<AccessKey>>,
    pipeline: Mutex<Pipeline>,
    plan: Mutex<Plan>,
    stop: CancellationToken,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            clock: Clock::default(),
            records: Arc::new(Records::new()),
            region: config.region,
            keys: RwLock::new(config.keys),
            pipeline: Mutex::new(Pipeline::new(config.second_acknowledge)),
            plan: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn key(&self, access_key_id: &str) -> Option<AccessKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.access_key_id == access_key_id).cloned()
    }

    pub(crate) fn set_keys(&self, keys: Vec<AccessKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn add_job(&self, mut job: Job) {
        let mut pipeline = self.pipeline();
        self.plan().replace_job(&job.id, std::mem::take(&mut job.faults));
        pipeline.add(job);
    }

    /// All jobs in the order of their ids, each with the faults still ahead of it.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let pipeline = self.pipeline();
        let plan = self.plan();
        pipeline.jobs().map(|job| Job { faults: plan.of_job(&job.id), ..job.clone() }).collect()
    }

    pub(crate) fn set_second_acknowledge(&self, second_acknowledge: SecondAcknowledge) {
        self.pipeline().second_acknowledge = second_acknowledge;
    }

    pub(crate) fn stop(&self) {
        self.records.stopping();
        self.stop.cancel();
    }
}

/// Asks the server to stop listening or to listen again.
#[derive(Debug)]
pub(crate) struct Refuse {
    pub(crate) refuse: bool,
    pub(crate) done: oneshot::Sender<io::Result<()>>,
}

/// Accepts until the simulator is stopped or its handle dropped, then ends every connection.
pub(crate) async fn run(
    listener: TcpListener,
    addr: SocketAddr,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Refuse>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    // Cancelled when connections are refused: the idle ones close, the busy ones after their answer.
    let mut drain = CancellationToken::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            stream = accept(listener.as_ref()) => {
                connections.spawn(connection::serve(stream, Arc::clone(&shared), drain.clone()));
            }
            command = commands.recv() => {
                let Some(Refuse { refuse, done }) = command else { break };
                let result = if refuse {
                    listener = None;
                    drain.cancel();
                    Ok(())
                } else {
                    listen_again(&mut listener, &mut drain, addr).await
                };
                // Whoever asked may have gone.
                let _ = done.send(result);
            }
        }
    }
    drop(listener);
    shared.records.stopping();
    connections.shutdown().await;
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// tokio sets `SO_REUSEADDR`, so connections that linger at the port don't keep it from being bound.
async fn listen_again(
    listener: &mut Option<TcpListener>,
    drain: &mut CancellationToken,
    addr: SocketAddr,
) -> io::Result<()> {
    if listener.is_none() {
        *listener = Some(TcpListener::bind(addr).await?);
        *drain = CancellationToken::new();
    }
    Ok(())
}
