//! The handle that a test holds.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::{AccessKey, Config};
use crate::faults::{ConnectionFault, Fault};
use crate::jobs::Job;
use crate::records::RequestRecord;
use crate::server::{self, ListenCommand};
use crate::state::State;

/// How long [`Simulator::refuse_connections`] waits for idle connections to close.
const IDLE_CLOSE: Duration = Duration::from_secs(1);

/// A running simulator. Dropping it ends its tasks soon; [`Simulator::stop`] also waits for them.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    state: Arc<State>,
    commands: mpsc::Sender<ListenCommand>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Simulator {
    /// Starts a simulator on a listener. It has to be called inside a tokio runtime with IO and time.
    ///
    /// # Errors
    ///
    /// If the listener doesn't know its own address.
    pub fn start(listener: TcpListener, config: Config) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(config));
        let (commands, received) = mpsc::channel(1);
        let server = tokio::spawn(server::run(listener, addr, Arc::clone(&state), received));
        Ok(Self { addr, state, commands, server: Mutex::new(Some(server)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What an AWS SDK takes as endpoint URL, such as `http://127.0.0.1:4599`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds a job, or replaces the one with its id: status, faults and count of acknowledges start anew.
    pub fn add_job(&self, job: Job) {
        self.state.add_job(job);
    }

    /// A job as it is now, with the faults that are still ahead of it.
    #[must_use]
    pub fn job(&self, id: &str) -> Option<Job> {
        self.state.all_jobs().into_iter().find(|job| job.id == id)
    }

    /// How many acknowledges of a job CodePipeline has accepted, those included whose answer a fault
    /// withheld.
    #[must_use]
    pub fn acknowledged(&self, job_id: &str) -> usize {
        self.state.jobs().acknowledged(job_id)
    }

    /// Adds a fault for the next `n` calls that have no fault of their own job's.
    pub fn fault_next(&self, n: u32, fault: Fault) {
        self.state.plan().add_next(n, fault);
    }

    /// Adds a fault for the next `n` connections.
    pub fn fault_next_connections(&self, n: u32, fault: ConnectionFault) {
        self.state.plan().add_connections(n, fault);
    }

    /// Adds a fault for one call with this job id, after those that are already in its list. The job need not
    /// exist.
    pub fn fault_job(&self, id: impl Into<String>, fault: Fault) {
        self.state.plan().add_job(id.into(), 1, fault);
    }

    /// Forgets every fault that has not struck yet. Calls that hang go on hanging.
    pub fn clear_faults(&self) {
        self.state.plan().clear();
    }

    /// Sets the simulator's clock this many seconds off the machine's: ahead, or behind if negative. It is
    /// not added to an earlier shift; ten years are the most.
    pub fn shift_clock(&self, seconds: i64) {
        self.state.clock.shift(seconds);
    }

    /// Whether answers come without `Date` from now on.
    pub fn omit_date(&self, omit: bool) {
        self.state.clock.omit_date(omit);
    }

    /// Replaces the keys that it knows, from the next request on.
    pub fn set_keys(&self, keys: Vec<AccessKey>) {
        self.state.set_keys(keys);
    }

    /// With `true` the listener goes: new connections are refused, idle ones are closed (and this is awaited,
    /// a second at most), calls in flight finish. With `false` it listens at the same port again.
    ///
    /// # Errors
    ///
    /// If the port was taken by somebody else meanwhile, or the simulator was stopped.
    pub async fn refuse_connections(&self, refuse: bool) -> io::Result<()> {
        let stopped = || io::Error::new(io::ErrorKind::NotConnected, "the simulator was stopped");
        let (done, result) = oneshot::channel();
        self.commands.send(ListenCommand { refuse, done }).await.map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())??;
        if refuse {
            let idle_closed = self.state.records.wait_for(|now| now.open_connections <= now.in_flight);
            let _ = tokio::time::timeout(IDLE_CLOSE, idle_closed).await;
        }
        Ok(())
    }

    /// The latest 10,000 requests in the order of their arrival, those in flight included.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.records.all()
    }

    /// Returns once `n` requests have arrived since the start. A request has arrived when it was read to its
    /// end.
    pub async fn wait_for_requests(&self, n: usize) {
        self.state.records.wait_for(|now| now.requests >= n).await;
    }

    /// Returns once clients have abandoned `n` requests since the start: closed the connection before the
    /// answer.
    pub async fn wait_for_abandoned(&self, n: usize) {
        self.state.records.wait_for(|now| now.abandoned >= n).await;
    }

    /// Returns once no request is in flight.
    pub async fn wait_until_idle(&self) {
        self.state.records.wait_for(|now| now.in_flight == 0).await;
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.state.records.counters().open_connections
    }

    /// Returns once exactly `n` connections are open.
    pub async fn wait_for_open_connections(&self, n: usize) {
        self.state.records.wait_for(|now| now.open_connections == n).await;
    }

    /// Stops listening, cuts every connection and waits until all its tasks have ended. Calling it twice is
    /// fine.
    pub async fn stop(&self) {
        self.state.stop();
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            // It only fails if the server panicked, and then it has ended too.
            let _ = server.await;
        }
    }
}
