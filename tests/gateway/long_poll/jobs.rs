//! Which call gets which jobs.

use std::time::{Duration, Instant};

use codepipeline_gateway::proto::{ActionTypeId, PollForThirdPartyJobsRequest};
use codepipeline_simulator::{ActionType, Fault, Job, RequestOutcome};

use super::{LONG, POLL, Polled, WAITERS, Waiting, jobs_of_aws, polled_jobs, waiting_request, world};
use crate::harness::{NONCE, TOKEN, poll_request, unary};

const INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_returns_as_soon_as_there_is_a_job() {
    let world = world(INTERVAL).await;
    let waiting = Waiting::start(&world, 10).await;
    world.wait_for_requests(2).await;
    world.simulator.add_job(Job::queued("job-1", NONCE, TOKEN));
    let answer = waiting.answer().await;
    assert_eq!(answer.ok().jobs[0].job_id, "job-1");
    let requests = world.simulator.requests();
    let last = requests.last().unwrap();
    assert_eq!(answer.header("x-amzn-requestid"), Some(last.request_id.as_str()));
    assert_eq!(world.simulator.job("job-1").unwrap().status, "Dispatched");
    assert_eq!(
        (polled_jobs(&world, "delivered").await, polled_jobs(&world, "undelivered").await),
        (1.0, 0.0)
    );
    world.gateway.until_metric(WAITERS, |waiters| waiters == 0.0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_is_polled_for_immediately() {
    let world = world(LONG).await;
    world.simulator.add_job(Job::queued("job-1", NONCE, TOKEN));
    let waiting = Waiting::send(world.gateway.channel.clone(), 1, LONG);
    assert_eq!(waiting.jobs().await, ["job-1"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_wait_a_poll_is_one_call_to_aws() {
    let world = world(LONG).await;
    for wait in [None, Some(Duration::ZERO)] {
        let wait = wait.map(|wait| wait.try_into().unwrap());
        let request = PollForThirdPartyJobsRequest { wait, ..poll_request() };
        let answer: Polled = unary(world.gateway.channel.clone(), request).await;
        assert!(answer.ok().jobs.is_empty());
    }
    assert_eq!(world.request_count(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_cost_one_poll_per_interval() {
    let world = world(INTERVAL).await;
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(Waiting::send(world.gateway.channel.clone(), 1, LONG));
    }
    world.gateway.until_metric(WAITERS, |waiters| waiters == 50.0).await;
    world.wait_for_requests(5).await;
    world.gateway.shutdown.stop();
    for waiting in waiting {
        assert!(waiting.jobs().await.is_empty());
    }
    let polls = u32::try_from(world.request_count()).unwrap();
    assert!(INTERVAL * (polls - 1) <= begun.elapsed(), "{polls} polls within {:?}", begun.elapsed());
    world.gateway.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_handed_out_in_the_order_of_arrival() {
    let world = world(INTERVAL).await;
    let first = Waiting::start(&world, 2).await;
    let second = Waiting::start(&world, 1).await;
    let third = Waiting::start(&world, 5).await;
    let fourth = Waiting::start(&world, 1).await;
    world.simulator.fault_operation(POLL, 1, jobs_of_aws(&["a", "b", "c", "d"]));
    assert_eq!(first.jobs().await, ["a", "b"]);
    assert_eq!(second.jobs().await, ["c"]);
    assert_eq!(third.jobs().await, ["d"]);
    world.simulator.fault_operation(POLL, 1, jobs_of_aws(&["e"]));
    assert_eq!(fourth.jobs().await, ["e"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_asks_for_as_many_jobs_as_the_calls_take() {
    let world = world(INTERVAL).await;
    let waiting = [Waiting::start(&world, 3).await, Waiting::start(&world, 4).await];
    for number in 0..9 {
        world.simulator.add_job(Job::queued(format!("job-{number}"), NONCE, TOKEN));
    }
    let mut jobs = 0;
    for waiting in waiting {
        jobs += waiting.jobs().await.len();
    }
    // The jobs are added one after another, so a poll can see a part of them. It never takes more
    // than the calls do.
    assert!((2..=7).contains(&jobs), "{jobs}");
    let dispatched =
        (0..9).filter(|n| world.simulator.job(&format!("job-{n}")).unwrap().status == "Dispatched");
    assert_eq!(dispatched.count(), jobs);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_call_that_ended_goes_to_the_next() {
    let world = world(INTERVAL).await;
    world.simulator.add_job(Job::queued("job-1", NONCE, TOKEN));
    world.simulator.fault_operation(POLL, 1, Fault::delay(500));
    let gone = Waiting::start(&world, 1).await;
    world.wait_for_requests(1).await;
    let next = Waiting::start(&world, 1).await;
    drop(gone);
    assert_eq!(next.jobs().await, ["job-1"]);
    assert_eq!(polled_jobs(&world, "undelivered").await, 0.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_call_is_counted_and_handed_out_again() {
    let world = world(INTERVAL).await;
    world.simulator.add_job(Job::queued("job-1", NONCE, TOKEN));
    world.simulator.fault_operation(POLL, 1, Fault::delay(300));
    let gone = Waiting::start(&world, 1).await;
    world.wait_for_requests(1).await;
    drop(gone);
    let undelivered = "codepipeline_gateway_polled_jobs_total{result=\"undelivered\"}";
    world.gateway.until_metric(undelivered, |jobs| jobs == 1.0).await;
    let outcome = world.simulator.requests()[0].outcome;
    assert_eq!(outcome, RequestOutcome::Answered { http_status: 200 }, "the poll isn't canceled");

    let next = Waiting::start(&world, 1).await;
    world.simulator.advance_clock(Duration::from_secs(60));
    assert_eq!(next.jobs().await, ["job-1"]);
    assert_eq!(polled_jobs(&world, "delivered").await, 1.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_waiting_call_aws_is_not_polled() {
    let world = world(INTERVAL).await;
    let gone = Waiting::start(&world, 1).await;
    world.wait_for_requests(1).await;
    drop(gone);
    world.gateway.until_metric(WAITERS, |waiters| waiters == 0.0).await;
    let polls = world.request_count();
    // Another action type's polls show that intervals have passed.
    let other = ActionType::third_party("Build", "OtherProvider", "2");
    world.simulator.add_job(Job::new("other", NONCE, TOKEN).with_action_type(other.clone()));
    let mut request = waiting_request(1, 5 * INTERVAL);
    request.action_type_id = Some(ActionTypeId {
        category: other.category,
        owner: other.owner,
        provider: other.provider,
        version: other.version,
    });
    assert!(unary(world.gateway.channel.clone(), request).await.ok().jobs.is_empty());
    assert!((3..=6).contains(&(world.request_count() - polls)), "{}", world.request_count() - polls);
    world.stop().await;
}
