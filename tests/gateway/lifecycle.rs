//! Two workers, one job, and a fault at each step: the job ends exactly once, and the worker that
//! ended it knows so.

use std::time::Duration;

use codepipeline_gateway::methods::{ACKNOWLEDGE, FAILURE, SUCCESS};
use codepipeline_simulator::OperationName::{
    self, AcknowledgeThirdPartyJob, GetThirdPartyJobDetails, PollForThirdPartyJobs,
    PutThirdPartyJobFailureResult, PutThirdPartyJobSuccessResult,
};
use codepipeline_simulator::{
    CallMoment, Config, ErrorFault, Fault, Job, JobResult, RedispatchNonce, RequestRecord, Simulator, Then,
};
use fastrand::Rng;
use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::harness::{Gateway, NONCE, PATIENCE, TOKEN, World, fake_keys, loopback, settings, until, within};
use crate::lifecycle_worker::{Belief, Plan, Worker};

const JOB: &str = "job-1";

/// The number of scenarios with random faults at every step.
const RANDOM: u64 = 24;

/// The number of scenarios that run together.
const TOGETHER: usize = 8;

/// The faults of one operation: how many calls have which fault.
type Planned = (u32, Fault);

/// Every kind of fault. With `times`, an attempt without a clear result fails as often.
fn faults(times: u32) -> Vec<Planned> {
    let internal = ErrorFault { http_status: 500, ..ErrorFault::new("InternalFailure") };
    let throttling = || Fault::error("ThrottlingException");
    vec![
        (times, Fault::Reset { when: CallMoment::AfterRequestRead }),
        (times, Fault::Reset { when: CallMoment::AfterProcessing }),
        (times, Fault::Close { when: CallMoment::AfterRequestRead }),
        (times, Fault::Close { when: CallMoment::AfterProcessing }),
        (times, Fault::Hang { process: false }),
        (times, Fault::Hang { process: true }),
        (times, Fault::status(503)),
        (times, Fault::status(408)),
        (times, Fault::Error(internal)),
        (times, Fault::CutBody { process: true, http_status: None, code: None }),
        (times, Fault::Delay { ms: 50, then: Then::Answer }),
        (1, Fault::MalformedBody { process: true }),
        (1, Fault::MalformedBody { process: false }),
        // The gateway retries the first of these itself. The second exhausts its attempts.
        (1, throttling()),
        (4, throttling()),
        (1, Fault::status(429)),
    ]
}

/// One run of two workers.
struct Scenario {
    name: String,
    plans: [Plan; 2],
    faults: Vec<(OperationName, Planned)>,
    config: Config,
    /// The only operation with a fault. It must apply.
    step: Option<OperationName>,
}

impl Scenario {
    /// One fault at one step.
    fn of_step(step: OperationName, number: usize, fault: Planned) -> Self {
        let plans = match step {
            PutThirdPartyJobSuccessResult => [Plan::Succeed; 2],
            PutThirdPartyJobFailureResult => [Plan::Fail; 2],
            _ => [Plan::Succeed, Plan::Fail],
        };
        let redispatch_nonce = [RedispatchNonce::Same, RedispatchNonce::New][number % 2];
        let config =
            Config { redispatch_after: Duration::from_millis(700), redispatch_nonce, ..Config::default() };
        let name = format!("{}, fault {number}: {fault:?}", step.as_str());
        Self { name, plans, faults: vec![(step, fault)], config, step: Some(step) }
    }

    /// A fault at most steps, chosen by the seed.
    fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut chosen = Vec::new();
        for operation in OperationName::ALL {
            if rng.u8(..4) != 0 {
                chosen.push((operation, rng.choice(faults(1)).unwrap()));
            }
        }
        let plan = |rng: &mut Rng| if rng.bool() { Plan::Succeed } else { Plan::Fail };
        let config = Config {
            redispatch_after: Duration::from_millis(rng.u64(300..900)),
            redispatch_nonce: if rng.bool() { RedispatchNonce::Same } else { RedispatchNonce::New },
            ..Config::default()
        };
        let plans = [plan(&mut rng), plan(&mut rng)];
        Self { name: format!("seed {seed}: {chosen:?}"), plans, faults: chosen, config, step: None }
    }

    /// A gateway, and a simulator with the job and its faults.
    async fn start(&self) -> World {
        let simulator = Simulator::start(loopback().await, self.config.clone()).unwrap();
        let mut job = Job::queued(JOB, NONCE, TOKEN);
        for (operation, (times, fault)) in &self.faults {
            if *operation == PollForThirdPartyJobs {
                // A poll names no job.
                simulator.fault_operation(*operation, *times, fault.clone());
            } else {
                job = job.with_operation_fault(*operation, *times, fault.clone());
            }
        }
        simulator.add_job(job);
        let mut settings = settings();
        settings.aws.attempt_timeout = Duration::from_secs(3);
        let gateway = Gateway::start(simulator.endpoint_url(), settings, Some(fake_keys())).await;
        World { simulator, gateway }
    }

    /// Runs the workers until the job has ended, and checks its history.
    async fn run(self) {
        let world = self.start().await;
        let ended = CancellationToken::new();
        let [first, second] = [("worker-1", self.plans[0]), ("worker-2", self.plans[1])]
            .map(|(name, plan)| Worker::new(name, plan, world.gateway.new_channel()).work(&ended));
        let end = async {
            let results = async || world.simulator.ledger(JOB).results;
            until(&self.name, PATIENCE, results, |results| !results.is_empty()).await;
            ended.cancel();
        };
        let all = async { tokio::join!(first, second, end) };
        let (first, second, ()) = within(&self.name, 2 * PATIENCE, all).await;
        self.check(&world.simulator, &[first, second]);
        world.stop().await;
    }

    fn check(&self, simulator: &Simulator, workers: &[Worker; 2]) {
        check_beliefs(simulator, workers, &self.name);
        check_unknown(simulator, workers, &self.name);
        if let Some(step) = self.step {
            let has_fault = |record: RequestRecord| record.operation == Some(step) && record.fault.is_some();
            let applied = simulator.requests().into_iter().any(has_fault);
            assert!(applied, "{}: the fault didn't apply", self.name);
        }
    }
}

/// The worker that ended the job, and its result.
fn author(result: &JobResult) -> (Plan, &str) {
    let plan = match result {
        JobResult::Success { .. } => Plan::Succeed,
        JobResult::Failure(_) => Plan::Fail,
    };
    (plan, result.external_execution_id().expect("the worker's name"))
}

/// Asserts that the workers' beliefs match the job's history.
fn check_beliefs(simulator: &Simulator, workers: &[Worker; 2], scenario: &str) {
    let ledger = simulator.ledger(JOB);
    let seen = format!("{scenario}: {ledger:#?} {workers:#?}");
    let [result] = &ledger.results[..] else { panic!("not one result: {seen}") };
    let (plan, name) = author(result);
    assert_eq!(ledger.acknowledged, 1, "{seen}");
    assert!(workers.iter().map(|worker| worker.acknowledged).sum::<usize>() <= 1, "two owners: {seen}");
    let sure = workers.iter().all(|worker| !worker.unknown.contains(&ACKNOWLEDGE.name));
    for worker in workers {
        let is_author = worker.name == name;
        match worker.belief {
            Belief::Ended => assert!(is_author && worker.plan == plan, "{seen}"),
            Belief::NotEnded => assert!(!is_author, "{seen}"),
            // Only a second owner can have ended the job: one with an unknown acknowledge.
            Belief::ProbablyEnded => assert!(is_author || !sure, "{seen}"),
        }
    }
}

/// Asserts that a worker got an unknown outcome for each attempt without a clear result.
fn check_unknown(simulator: &Simulator, workers: &[Worker; 2], scenario: &str) {
    let records = simulator.requests();
    for method in [&ACKNOWLEDGE, &SUCCESS, &FAILURE] {
        let of_method =
            |record: &&RequestRecord| record.operation.is_some_and(|of| of.as_str() == method.name);
        let lost = records.iter().filter(of_method).filter(|record| is_lost(record)).count();
        let unknown = workers.iter().flat_map(|worker| &worker.unknown);
        let told = unknown.filter(|name| **name == method.name).count();
        assert!(told >= lost, "{scenario}: {told} of {lost} {} reported: {workers:#?}", method.name);
    }
}

/// Whether the attempt got no whole response.
fn is_lost(record: &RequestRecord) -> bool {
    let lost = ["reset", "close", "hang", "cut_body"];
    record.fault.is_some_and(|fault| lost.contains(&fault))
}

async fn check(scenarios: impl Iterator<Item = Scenario>) {
    stream::iter(scenarios).map(Scenario::run).buffer_unordered(TOGETHER).collect::<()>().await;
}

/// Checks every fault at one step.
async fn check_step(step: OperationName, times: u32) {
    let each = faults(times).into_iter().enumerate();
    check(each.map(|(number, fault)| Scenario::of_step(step, number, fault))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_of_the_poll() {
    check_step(PollForThirdPartyJobs, 2).await;
}

/// Four faults are more than the gateway's own attempts.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_of_the_details() {
    check_step(GetThirdPartyJobDetails, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_of_the_acknowledge() {
    check_step(AcknowledgeThirdPartyJob, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_of_the_success() {
    check_step(PutThirdPartyJobSuccessResult, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_of_the_failure() {
    check_step(PutThirdPartyJobFailureResult, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_despite_faults_at_many_steps() {
    check((0..RANDOM).map(Scenario::random)).await;
}
