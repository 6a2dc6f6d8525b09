//! Makes calls: in a closed loop of callers, or in an open loop at a fixed rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::process::cpu;
use crate::report::Report;

/// Makes one call. `number` counts them.
pub trait Call: Send + Sync + 'static {
    /// Makes the call.
    fn call(&self, number: u64) -> impl Future<Output = Result<(), String>> + Send;
}

/// The calls of a run.
#[derive(clap::Args, Clone, Debug)]
pub struct Plan {
    /// Callers that each make one call after another.
    #[arg(long, default_value_t = 64)]
    pub callers: u64,
    /// Calls that are measured. With `--rate` they are spread over as long as it takes.
    #[arg(long, default_value_t = 20_000)]
    pub calls: u64,
    /// Calls before that, which aren't.
    #[arg(long, default_value_t = 2_000)]
    pub warm_up: u64,
    /// Calls per second, each begun on time. Without it: as many as the callers can make.
    #[arg(long)]
    pub rate: Option<u64>,
}

impl Plan {
    /// Makes the calls and returns the report, with the CPU time of the process `watched`.
    ///
    /// In an open loop a call's latency counts from its due time, so that delays count.
    ///
    /// # Panics
    /// A call panicked.
    pub async fn run(&self, watched: Option<u32>, call: impl Call) -> Value {
        let call = Arc::new(call);
        closed(call.clone(), self.callers, self.warm_up).await;
        let (cpu_before, begun) = (watched.map(cpu), Instant::now());
        let report = match self.rate {
            None => closed(call, self.callers, self.calls).await,
            Some(rate) => open(call, rate, self.calls).await,
        };
        let took = begun.elapsed();
        let used = watched.map(cpu).zip(cpu_before).map(|(after, before)| after - before);
        report.json(took, used)
    }
}

async fn closed<C: Call>(call: Arc<C>, callers: u64, calls: u64) -> Report {
    let next = Arc::new(AtomicU64::new(0));
    // One for all: it takes a quarter of a megabyte, and there can be thousands of callers.
    let report = Arc::new(Mutex::new(Report::default()));
    let mut all = JoinSet::new();
    for _ in 0..callers {
        let (call, next, report) = (call.clone(), next.clone(), report.clone());
        all.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return;
                }
                let begun = Instant::now();
                let result = call.call(number).await;
                report.lock().expect("no caller panics with it").note(begun.elapsed(), result);
            }
        });
    }
    while let Some(one) = all.join_next().await {
        one.expect("a caller that ends");
    }
    Arc::into_inner(report).and_then(|report| report.into_inner().ok()).expect("callers that have all ended")
}

async fn open<C: Call>(call: Arc<C>, rate: u64, calls: u64) -> Report {
    let (done, mut results) = mpsc::unbounded_channel();
    let runtime = Handle::current();
    // A thread of its own: the runtime's timers have a resolution of 1 ms, and it can be late.
    let clock = thread::spawn(move || {
        let begun = Instant::now();
        for number in 0..calls {
            let due = begun + Duration::from_nanos(number * 1_000_000_000 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (call, done) = (call.clone(), done.clone());
            runtime.spawn(async move {
                let result = call.call(number).await;
                let _ = done.send((due.elapsed(), result));
            });
        }
    });
    let mut report = Report::default();
    while let Some((took, result)) = results.recv().await {
        report.note(took, result);
    }
    clock.join().expect("the clock's thread");
    report
}
