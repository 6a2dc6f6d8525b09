//! Records every request and its outcome, and lets tests wait for both.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::operations::name::OperationName;
use crate::signature::SignatureVerdict;

/// The number of records in memory. A simulator can run for days under load.
const KEPT: usize = 10_000;

/// One request to the AWS API. Requests to `/_simulator/` have no record. A record contains no
/// nonce and no token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// The number of the request since the start, from 1.
    pub number: usize,
    /// The number of its connection, from 1. It shows whether a client reused a connection.
    pub connection: usize,
    /// The `x-amzn-RequestId` of the response.
    pub request_id: String,
    /// The `X-Amz-Target` header.
    pub target: Option<String>,
    /// The operation in `X-Amz-Target`, if the simulator supports it.
    pub operation: Option<OperationName>,
    /// The first 512 characters of `jobId`, if the body is JSON and contains it.
    pub job_id: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The access key id in the signature.
    pub access_key_id: Option<String>,
    /// The result of the signature check. A fault applies regardless of it.
    pub signature: SignatureVerdict,
    /// The name of the fault that applied, such as `hang`.
    pub fault: Option<&'static str>,
    /// The decision, or `None` if a fault prevented one.
    pub processed: Option<Processed>,
    /// The outcome on the connection.
    pub outcome: RequestOutcome,
}

/// The decision on a request. A fault can hide it from the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processed {
    /// The HTTP status.
    pub http_status: u16,
    /// The error's code, or `None` if the call succeeded.
    pub error_code: Option<String>,
}

/// The outcome of a request on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// There is no response yet.
    Pending,
    /// The response was sent.
    Answered {
        /// The status of the response.
        http_status: u16,
    },
    /// A fault sent a part of the response.
    BodyCut {
        /// The status of the response.
        http_status: u16,
    },
    /// A fault reset the connection.
    Reset,
    /// A fault closed the connection.
    Closed,
    /// The client disconnected before the response.
    Abandoned,
    /// The simulator stopped before the response.
    Stopped,
}

/// The counters that tests wait for.
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
        // An error would mean that the sender was dropped, but `self` owns it.
        let _ = self.counters.subscribe().wait_for(reached).await;
    }

    /// From now on, a request without a response counts as stopped, not as abandoned.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Adds a record and gives it its number.
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

/// A request without a response. If it is dropped unfinished, the client abandoned it: hyper drops
/// a request's future when the client disconnects.
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

/// A connection that counts as open until it is dropped.
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
            operation: None,
            job_id: None,
            user_agent: None,
            access_key_id: None,
            signature: SignatureVerdict::Valid,
            fault: None,
            processed: None,
            outcome: RequestOutcome::Pending,
        }
    }

    /// A request that outlives its record still counts and changes no other record.
    #[test]
    fn dropped_records_still_count() {
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
