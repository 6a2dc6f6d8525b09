//! The promises of each operation, checked with the simulator's history of each job.

use std::collections::BTreeMap;

use codepipeline_gateway::error::{Outcome, Reason};
use codepipeline_gateway::methods::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};
use codepipeline_simulator::{JobLedger, JobResult, Simulator};

use super::ledger::{End, Entry, Ledger, Values};

/// The calls about one job, and its history at AWS.
struct JobCalls<'a> {
    calls: Vec<&'a Entry>,
    history: JobLedger,
}

/// Asserts that the callers' results match the jobs in the simulator.
pub fn check(ledger: &Ledger, simulator: &Simulator) {
    let mut jobs = BTreeMap::<&str, Vec<&Entry>>::new();
    for entry in ledger.0.iter().filter(|entry| !entry.job.is_empty()) {
        jobs.entry(&entry.job).or_default().push(entry);
    }
    let (mut dispatched, mut again, mut ended) = (0, 0, 0);
    for (id, calls) in jobs {
        let job = JobCalls { calls, history: simulator.ledger(id) };
        job.check_wrong_values();
        job.check_poll();
        job.check_acknowledge();
        job.check_result();
        dispatched += job.history.dispatched;
        again += usize::from(job.history.dispatched > 1);
        ended += job.history.results.len();
    }
    // A poll without a known result names no job.
    let delivered = ledger.0.iter().filter(|entry| entry.method == &POLL && !entry.job.is_empty()).count();
    println!("{dispatched} dispatches, {delivered} delivered; {again} jobs came again; {ended} jobs ended");
    assert!(again > 0 && ended > 0, "no job was dispatched again, or none ended");
    // A shared poll asks for a job for each waiting call, and the call can end before its response.
    let ended_early = |entry: &&Entry| entry.waited && entry.job.is_empty() && !entry.end.is_unknown();
    let ended_early = ledger.0.iter().filter(ended_early).count();
    let lost = ended_early + ledger.count(Some(&POLL), End::is_unknown);
    assert!(dispatched - delivered <= lost, "{lost} polls can't have lost {} jobs", dispatched - delivered);
}

impl JobCalls<'_> {
    fn of(&self, methods: &[&Method], is_one: impl Fn(&End) -> bool) -> Vec<&Entry> {
        let matching = |call: &&&Entry| methods.contains(&call.method) && is_one(&call.end);
        self.calls.iter().filter(matching).copied().collect()
    }

    fn assert(&self, holds: bool, what: &str) {
        assert!(holds, "{what}: {:#?} {:#?}", self.history, self.calls);
    }

    fn check_wrong_values(&self) {
        let accepted = self.calls.iter().any(|call| call.values == Values::Wrong && call.end == End::Ok);
        self.assert(!accepted, "wrong values were accepted");
    }

    fn check_poll(&self) {
        let delivered = self.of(&[&POLL], |end| *end == End::Ok).len();
        self.assert(delivered <= self.history.dispatched, "a poll returned a job that wasn't dispatched");
    }

    /// At most one worker owns the job, and only an unknown call can have acknowledged it without
    /// a success.
    fn check_acknowledge(&self) {
        let acknowledged = self.history.acknowledged;
        let reported = self.of(&[&ACKNOWLEDGE], |end| *end == End::Ok).len();
        let unknown = self.of(&[&ACKNOWLEDGE], End::is_unknown).len();
        self.assert(acknowledged <= 1 && reported <= acknowledged, "acknowledged too often");
        self.assert(reported + unknown >= acknowledged, "acknowledged without a matching result");
        let others = self.history.dispatched > 1;
        for (n, call) in self.calls.iter().enumerate() {
            let is_rejected = call.method == &ACKNOWLEDGE && call.end.is_for(Reason::InvalidNonce);
            let explained =
                call.values == Values::Wrong || others || self.is_unknown_before(n, &[&ACKNOWLEDGE]);
            self.assert(!is_rejected || explained, "a retry was not safe");
        }
    }

    /// The job has at most one result: that of a call that returned OK, or of an unknown call.
    fn check_result(&self) {
        let results = &self.history.results;
        let reported = self.of(&[&SUCCESS, &FAILURE], |end| *end == End::Ok);
        self.assert(results.len() <= 1 && reported.len() <= results.len(), "ended too often");
        if let [result] = &results[..] {
            let (method, caller) = author(result);
            let is_author = |call: &&Entry| call.method == method && call.caller == caller;
            self.assert(reported.iter().all(is_author), "another result than the reported one");
            let possible = self.of(&[method], |end| *end == End::Ok || end.is_unknown());
            self.assert(possible.iter().any(is_author), "a call that was rejected ended the job");
        }
        for (n, call) in self.calls.iter().enumerate() {
            let is_rejected = call.end.is_for(Reason::InvalidJobState) || call.end.is_for(Reason::InvalidJob);
            let explained = !results.is_empty() || self.is_unknown_before(n, &[&ACKNOWLEDGE]);
            self.assert(!is_rejected || explained, "the state of a job in progress was rejected");
        }
    }

    /// Whether a call of these methods before this one might have had an effect.
    fn is_unknown_before(&self, n: usize, methods: &[&Method]) -> bool {
        self.calls[..n].iter().any(|call| methods.contains(&call.method) && call.end.is_unknown())
    }
}

/// The operation and the caller of a result.
fn author(result: &JobResult) -> (&'static Method, usize) {
    let method = match result {
        JobResult::Success { .. } => &SUCCESS,
        JobResult::Failure(_) => &FAILURE,
    };
    let caller = result.external_execution_id().and_then(|id| id.parse().ok());
    (method, caller.expect("the caller's number"))
}

/// Asserts that every kind of end occurred: a test without faults proves nothing.
pub fn assert_every_end(ledger: &Ledger) {
    for method in Method::operations() {
        let count = |is_one: &dyn Fn(&End) -> bool| ledger.count(Some(method), is_one);
        assert!(count(&|end| *end == End::Ok) > 0, "no success of {}", method.name);
        let outcomes = [Outcome::NotSent, Outcome::Rejected, Outcome::Unknown];
        for outcome in outcomes {
            let came = count(&|end| matches!(end, End::Rejected(_, one, _) if *one == outcome));
            // Only half of the calls of other operations, and of a short test, have a fault.
            assert!(came > 0 || method != &ACKNOWLEDGE, "no {outcome:?} of {}", method.name);
        }
    }
    assert!(ledger.count(None, |end| *end == End::Canceled) > 0, "no canceled call");
    let unknown = |methods: [&Method; 2]| methods.map(|of| ledger.count(Some(of), End::is_unknown));
    assert!(unknown([&SUCCESS, &FAILURE]).iter().sum::<usize>() > 0, "no unknown result");
    assert!(unknown([&POLL, &DETAILS]).iter().sum::<usize>() > 0, "no unknown poll or read");
}
