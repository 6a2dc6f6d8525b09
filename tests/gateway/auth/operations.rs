//! What the gateway offers, and which caller may call what: `--operations`, `--allow NAME=…`, and
//! `--action-types`.

use codepipeline_gateway::auth::{AllowList, Auth, Entry, Rule};
use codepipeline_gateway::operations::{ActionTypes, OperationSet};
use codepipeline_gateway::server::Tls;
use codepipeline_simulator::{ActionType, Job};
use rcgen::SanType;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::certificates::{Authority, connect_tls, mutual_tls_files};
use crate::harness::{NONCE, TOKEN, World, details_request, poll_for, request, unary};

fn set(names: &[&str]) -> OperationSet {
    OperationSet::new(names.iter().map(|name| OperationSet::find(name).unwrap()).collect())
}

fn action_types(patterns: &[&str]) -> ActionTypes {
    ActionTypes::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

/// The action type of a provider.
fn of_provider(name: &str) -> ActionType {
    ActionType::third_party("Test", name, "1")
}

/// A job of the provider `mine`.
fn job(id: &str) -> Job {
    Job::queued(id, NONCE, TOKEN).with_action_type(of_provider("mine"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_switched_off_is_not_sent() {
    let world = World::changed(|settings| settings.operations = set(&["poll", "details"])).await;
    world.simulator.add_job(job("job-1"));
    let refused = world.acknowledge("job-1").await;
    assert_eq!((refused.code(), refused.reason().as_str()), (Code::Unimplemented, "OPERATION_DISABLED"));
    assert_eq!(refused.outcome(), "not_sent");
    assert!(world.simulator.requests().is_empty());
    assert_eq!(world.gateway.send(poll_for(&of_provider("mine"))).await.ok().jobs.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_action_types_can_be_polled_and_read() {
    let world = World::changed(|settings| settings.policy.action_types = action_types(&["*/*/mine/*"])).await;
    world.simulator.add_job(job("job-1"));

    let other = world.gateway.send(poll_for(&of_provider("other"))).await;
    assert_eq!((other.code(), other.reason().as_str()), (Code::PermissionDenied, "ACTION_TYPE_NOT_ALLOWED"));
    assert_eq!(other.outcome(), "not_sent");
    assert!(world.simulator.requests().is_empty());

    assert_eq!(world.gateway.send(poll_for(&of_provider("mine"))).await.ok().jobs[0].job_id, "job-1");
    let read = world.gateway.send(details_request("job-1")).await;
    assert_eq!(read.ok().job_details.as_ref().unwrap().nonce, NONCE);
    world.stop().await;

    let world =
        World::changed(|settings| settings.policy.action_types = action_types(&["*/*/other/*"])).await;
    world.simulator.add_job(Job { status: "Dispatched".into(), ..job("job-1") });
    let withheld = world.gateway.send(details_request("job-1")).await;
    assert_eq!(
        (withheld.code(), withheld.reason().as_str()),
        (Code::PermissionDenied, "ACTION_TYPE_NOT_ALLOWED")
    );
    assert_eq!(withheld.outcome(), "rejected", "AWS was asked, and its response is withheld");
    assert!(!format!("{withheld:?}").contains(NONCE));
    world.stop().await;
}

async fn caller(world: &World, ca: &Authority, name: &str) -> Channel {
    let names = vec![SanType::DnsName(name.try_into().unwrap())];
    connect_tls(world, ca, Some(&ca.issue_names(names))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowlist_entry_can_name_its_operations() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let tls = Tls::load(mutual_tls_files(&ca, folder.path())).unwrap();
    let entries = "dns:reader.test=poll,details,dns:worker.test";
    let entries = entries.split(',').map(|entry| entry.parse::<Entry>().unwrap());
    let allowed = AllowList::new(Rule::join(entries).unwrap()).unwrap();
    let world = World::changed(|settings| {
        settings.tls = Some(tls);
        settings.auth = Auth::Mtls(allowed);
    })
    .await;
    world.simulator.add_job(job("job-1"));

    let reader = caller(&world, &ca, "reader.test").await;
    assert_eq!(unary(reader.clone(), poll_for(&of_provider("mine"))).await.ok().jobs.len(), 1);
    let refused = unary(reader, request("job-1")).await;
    assert_eq!((refused.code(), refused.reason().as_str()), (Code::PermissionDenied, "CALLER_NOT_ALLOWED"));
    assert!(refused.status().message().contains("operation"), "{refused:?}");
    assert_eq!(refused.outcome(), "not_sent");

    let worker = caller(&world, &ca, "worker.test").await;
    unary(worker, request("job-1")).await.ok();
    world.stop().await;
}
