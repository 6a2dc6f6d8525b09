//! What came in and what became of it, and means to await either without sleeping.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::signature::SignatureVerdict;

/// How many records are kept: a simulator may run for days under load.
const KEPT: usize = 10_000;

/// One request to the AWS API (never one to `/_simulator/`). It holds neither nonce nor token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Its place among all requests since the start, from 1.
    pub number: usize,
    /// The connection that it came on, from 1: tells whether a client reused one.
    pub connection: usize,
    /// The `x-amzn-RequestId` of its answer.
    pub request_id: String,
    /// `X-Amz-Target` as it came.
    pub target: Option<String>,
    /// `jobId` as it came, if the body could be read that far.
    pub job_id: Option<String>,
    /// `User-Agent` as it came.
    pub user_agent: Option<String>,
    /// The access key id that it was signed with.
    pub access_key_id: Option<String>,
    /// What the signature check said; a fault is performed whatever it said.
    pub signature: SignatureVerdict,
    /// The name of the fault that struck, such as `hang`.
    pub fault: Option<&'static str>,
    /// What CodePipeline decided; `None` if a fault kept the request from it.
    pub processed: Option<Processed>,
    /// What became of it.
    pub outcome: RequestOutcome,
}

/// What CodePipeline decided on a request, whether or not the client learned of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processed {
    /// The HTTP status.
    pub http_status: u16,
    /// The error's code; `None` if the job was acknowledged.
    pub error_code: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// It is being worked on, or hangs.
    Pending,
    /// It was answered.
    Answered {
        /// With this status.
        http_status: u16,
    },
    /// It was answered in part, on purpose.
    BodyCut {
        /// With this status.
        http_status: u16,
    },
    /// Its connection was reset on purpose.
    Reset,
    /// Its connection was closed on purpose.
    Closed,
    /// The client gave it up before it was answered.
    Abandoned,
    /// The simulator stopped before it was answered.
    Stopped,
}

/// What tests wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) requests: usize,
    pub(crate) in_flight: usize,
    pub(crate) abandoned: usize,
    pub(crate) connections: usize,
    pub(crate) open_connections: usize,
}

/// All records and counters.
#[derive(Debug)]
pub(crate) struct Records {
    kept: Mutex<VecDeque<RequestRecord>>,
    counters: watch::Sender<Counters>,
    stopping: AtomicBool,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::new(VecDeque::new()),
            counters: watch::Sender::new(Counters::default()),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        self.kept().iter().cloned().collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    pub(crate) async fn wait_for(&self, reached: impl FnMut(&Counters) -> bool) {
        // An error would mean that the sender is gone; `self` holds it.
        let _ = self.counters.subscribe().wait_for(reached).await;
    }

    /// From now on a request that ends unanswered was ended by the simulator.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Files a request; its number is given here.
    pub(crate) fn arrived(self: &Arc<Self>, mut record: RequestRecord) -> InFlight {
        let mut kept = self.kept();
        let number = self.counters().requests + 1;
        record.number = number;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(record);
        self.counters.send_modify(|counters| {
            counters.requests += 1;
            counters.in_flight += 1;
        });
        InFlight { records: Arc::clone(self), number, open: true }
    }

    /// Counts a connection and gives it its number.
    pub(crate) fn connected(self: &Arc<Self>) -> OpenConnection {
        let mut number = 0;
        self.counters.send_modify(|counters| {
            counters.connections += 1;
            counters.open_connections += 1;
            number = counters.connections;
        });
        OpenConnection { records: Arc::clone(self), number }
    }

    fn update(&self, number: usize, change: impl FnOnce(&mut RequestRecord)) {
        let mut kept = self.kept();
        let Some(first) = kept.front().map(|record| record.number) else { return };
        if let Some(record) = number.checked_sub(first).and_then(|index| kept.get_mut(index)) {
            change(record);
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<RequestRecord>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being worked on. Dropped unfinished, it was given up: hyper drops a request's future
/// when the client's connection ends.
#[derive(Debug)]
pub(crate) struct InFlight {
    records: Arc<Records>,
    number: usize,
    open: bool,
}

impl InFlight {
    pub(crate) fn processed(&self, processed: Processed) {
        self.records.update(self.number, |record| record.processed = Some(processed));
    }

    pub(crate) fn finish(mut self, outcome: RequestOutcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: RequestOutcome) {
        self.open = false;
        self.records.update(self.number, |record| record.outcome = outcome);
        self.records.counters.send_modify(|counters| {
            counters.in_flight -= 1;
            counters.abandoned += usize::from(outcome == RequestOutcome::Abandoned);
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.open {
            let stopping = self.records.stopping.load(Ordering::Relaxed);
            self.end(if stopping { RequestOutcome::Stopped } else { RequestOutcome::Abandoned });
        }
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    records: Arc<Records>,
    pub(crate) number: usize,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.records.counters.send_modify(|counters| counters.open_connections -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RequestRecord {
        RequestRecord {
            number: 0,
            connection: 1,
            request_id: String::new(),
            target: None,
            job_id: None,
            user_agent: None,
            access_key_id: None,
            signature: SignatureVerdict::Valid,
            fault: None,
            processed: None,
            outcome: RequestOutcome::Pending,
        }
    }

    /// A request that outlives its record still counts, and changes nobody else's.
    #[test]
    fn old_records_go_but_still_count() {
        let records = Arc::new(Records::new());
        let oldest = records.arrived(record());
        for _ in 0..KEPT {
            records.arrived(record()).finish(RequestOutcome::Reset);
        }
        oldest.finish(RequestOutcome::Closed);
        let (all, counters) = (records.all(), records.counters());
        assert_eq!((all.len(), all[0].number, counters.requests, counters.in_flight), (KEPT, 2, KEPT + 1, 0));
        assert!(all.iter().all(|record| record.outcome == RequestOutcome::Reset));
    }
}
