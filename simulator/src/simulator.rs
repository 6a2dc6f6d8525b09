//! The handle to a running simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::bucket_records::BucketRecord;
use crate::config::{AccessKey, Config};
use crate::faults::{ConnectionFault, Fault, PlannedFault};
use crate::jobs::Job;
use crate::ledger::JobLedger;
use crate::object_store::{Object, ObjectName};
use crate::operations::name::OperationName;
use crate::records::RequestRecord;
use crate::server::{self, ListenCommand};
use crate::state::State;

/// The maximum time that [`Simulator::refuse_connections`] waits for idle connections to close.
const IDLE_CLOSE: Duration = Duration::from_secs(1);

/// A running simulator. Dropping it ends its tasks. [`Simulator::stop`] also waits for their end.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    state: Arc<State>,
    commands: mpsc::Sender<ListenCommand>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Simulator {
    /// Starts a simulator on a listener. The caller must be inside a tokio runtime with IO and
    /// time.
    ///
    /// # Errors
    ///
    /// If the listener has no local address.
    pub fn start(listener: TcpListener, config: Config) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(config));
        let (commands, received) = mpsc::channel(1);
        let server = tokio::spawn(server::run(listener, addr, Arc::clone(&state), received));
        Ok(Self { addr, state, commands, server: Mutex::new(Some(server)) })
    }

    /// The address on which the simulator listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint URL for an AWS SDK, such as `http://127.0.0.1:4599`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds a job, or replaces the job with the same id, including its faults and its counts.
    pub fn add_job(&self, job: Job) {
        self.state.add_job(job);
    }

    /// The current state of a job, with its remaining faults.
    #[must_use]
    pub fn job(&self, id: &str) -> Option<Job> {
        self.state.job(id)
    }

    /// The number of accepted acknowledges of a job, including those whose response a fault
    /// withheld.
    #[must_use]
    pub fn acknowledged(&self, job_id: &str) -> usize {
        self.ledger(job_id).acknowledged
    }

    /// The history of a job: how often it was dispatched and acknowledged, and the results that
    /// ended it. A job that doesn't exist has an empty history.
    #[must_use]
    pub fn ledger(&self, job_id: &str) -> JobLedger {
        self.state.jobs().ledger(job_id)
    }

    /// The credentials with this access key id that the details of a job contained. After their
    /// lifetime of 15 minutes on the simulator's clock, they are marked as expired.
    #[must_use]
    pub fn artifact_key(&self, access_key_id: &str) -> Option<AccessKey> {
        self.state.artifact_key(access_key_id)
    }

    /// The object with this key in a bucket, if a job uploaded it.
    #[must_use]
    pub fn object(&self, bucket: impl Into<String>, key: impl Into<String>) -> Option<Object> {
        let name = ObjectName { bucket: bucket.into(), key: key.into() };
        self.state.objects().get(&name).cloned()
    }

    /// The latest 10,000 requests to buckets in the order of their responses.
    #[must_use]
    pub fn bucket_requests(&self) -> Vec<BucketRecord> {
        self.state.bucket_records.all()
    }

    /// Adds a fault for the next `n` calls. Faults of a call's own job take precedence.
    pub fn fault_next(&self, n: u32, fault: Fault) {
        self.state.plan().add_next(PlannedFault { fault, times: n, operation: None });
    }

    /// Adds a fault for the next `n` calls of one operation. Faults of a call's own job take
    /// precedence.
    pub fn fault_operation(&self, operation: OperationName, n: u32, fault: Fault) {
        self.state.plan().add_next(PlannedFault { fault, times: n, operation: Some(operation) });
    }

    /// Adds a fault for the next `n` connections.
    pub fn fault_next_connections(&self, n: u32, fault: ConnectionFault) {
        self.state.plan().add_connections(n, fault);
    }

    /// Adds a fault for one call with this job id, after the existing faults of the job. The job
    /// doesn't need to exist.
    pub fn fault_job(&self, id: impl Into<String>, fault: Fault) {
        self.state.plan().add_job(id.into(), PlannedFault { fault, times: 1, operation: None });
    }

    /// Adds a fault for one call of one operation with this job id, after the existing faults of
    /// the job.
    pub fn fault_job_operation(&self, id: impl Into<String>, operation: OperationName, fault: Fault) {
        let planned = PlannedFault { fault, times: 1, operation: Some(operation) };
        self.state.plan().add_job(id.into(), planned);
    }

    /// Removes all remaining faults. Calls that hang continue to hang.
    pub fn clear_faults(&self) {
        self.state.plan().clear();
    }

    /// Sets the difference between the simulator's clock and the system clock in seconds, up to ten
    /// years. A positive value means that the simulator's clock is ahead. An earlier shift is
    /// replaced.
    pub fn shift_clock(&self, seconds: i64) {
        self.state.clock.shift(seconds);
    }

    /// Moves the simulator's clock forward, up to ten years ahead of the system clock. The
    /// signatures of a client whose clock is then more than five minutes behind are rejected until
    /// it adopts the `Date` of a response, as AWS SDKs do.
    pub fn advance_clock(&self, by: Duration) {
        self.state.clock.advance(by);
    }

    /// Omits the `Date` header from all responses, or includes it again.
    pub fn omit_date(&self, omit: bool) {
        self.state.clock.omit_date(omit);
    }

    /// Replaces the known keys from the next request on.
    pub fn set_keys(&self, keys: Vec<AccessKey>) {
        self.state.config_mut().keys = keys;
    }

    /// With `true`, the simulator closes its listener, so that the kernel refuses new connections.
    /// It also closes idle connections, for which this function waits up to one second. In-flight
    /// calls finish. With `false`, the simulator listens on the same port again.
    ///
    /// # Errors
    ///
    /// If another process uses the port now, or if the simulator was stopped.
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

    /// The latest 10,000 requests in the order of their arrival, including in-flight requests.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.records.all()
    }

    /// Returns when `n` requests have arrived since the start. A request has arrived when the
    /// simulator has read all of it.
    pub async fn wait_for_requests(&self, n: usize) {
        self.state.records.wait_for(|now| now.requests >= n).await;
    }

    /// Returns when clients have abandoned `n` requests since the start. A client abandons a
    /// request by closing the connection before the response.
    pub async fn wait_for_abandoned(&self, n: usize) {
        self.state.records.wait_for(|now| now.abandoned >= n).await;
    }

    /// Returns when no request is in flight.
    pub async fn wait_until_idle(&self) {
        self.state.records.wait_for(|now| now.in_flight == 0).await;
    }

    /// The number of open connections.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.state.records.counters().open_connections
    }

    /// Returns when exactly `n` connections are open.
    pub async fn wait_for_open_connections(&self, n: usize) {
        self.state.records.wait_for(|now| now.open_connections == n).await;
    }

    /// Stops listening, closes every connection, and waits for the end of all tasks. A second call
    /// has no effect.
    pub async fn stop(&self) {
        self.state.stop();
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            // An error means that the server panicked, so it has ended too.
            let _ = server.await;
        }
    }
}
