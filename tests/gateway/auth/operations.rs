//! What the gateway offers, and which caller may call what: `--operations`, `--allow NAME=…`, and
//! `--action-types`.

use codepipeline_gateway::auth::{AllowList, Auth, Entry, Rule};
use codepipeline_gateway::codepipeline::Limits;
use codepipeline_gateway::operations::{ActionTypes, OperationSet};
use codepipeline_gateway::proto::{
    ActionTypeId, GetThirdPartyJobDetailsRequest, GetThirdPartyJobDetailsResponse,
    PollForThirdPartyJobsRequest, PollForThirdPartyJobsResponse,
};
use codepipeline_gateway::server::Tls;
use codepipeline_simulator::Job;
use rcgen::SanType;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::calls::unary;
use crate::harness::certificates::{Authority, connect_tls, tls_files, write_pair};
use crate::harness::{Answer, NONCE, TOKEN, World, acknowledge, fake_keys, request, settings};

fn set(names: &[&str]) -> OperationSet {
    OperationSet::new(names.iter().map(|name| OperationSet::find(name).unwrap()).collect())
}

fn action_types(patterns: &[&str]) -> ActionTypes {
    ActionTypes::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

async fn poll(channel: Channel, provider: &str) -> Answer<PollForThirdPartyJobsResponse> {
    let id = ActionTypeId {
        category: "Test".into(),
        owner: "ThirdParty".into(),
        provider: provider.into(),
        version: "1".into(),
    };
    let request = PollForThirdPartyJobsRequest { action_type_id: Some(id), max_batch_size: None };
    unary(channel, request, async |mut client, request| client.poll_for_third_party_jobs(request).await).await
}

async fn details(channel: Channel, job: &str) -> Answer<GetThirdPartyJobDetailsResponse> {
    let request = GetThirdPartyJobDetailsRequest { job_id: job.into(), client_token: TOKEN.into() };
    unary(channel, request, async |mut client, request| client.get_third_party_job_details(request).await)
        .await
}

/// A job of the provider `mine`.
fn job(id: &str) -> Job {
    Job::queued(id, NONCE, TOKEN).with_action_type(codepipeline_simulator::ActionType {
        category: "Test".into(),
        owner: "ThirdParty".into(),
        provider: "mine".into(),
        version: "1".into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_switched_off_is_not_sent() {
    let world = World::changed(|settings| settings.operations = set(&["poll", "details"])).await;
    world.simulator.add_job(job("job-1"));
    let refused = world.acknowledge("job-1").await;
    assert_eq!((refused.code(), refused.reason().as_str()), (Code::Unimplemented, "OPERATION_DISABLED"));
    assert_eq!(refused.outcome(), "not_sent");
    assert!(world.simulator.requests().is_empty());
    assert_eq!(poll(world.gateway.new_channel(), "mine").await.ok().jobs.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_action_types_can_be_polled_and_read() {
    let world = World::changed(|settings| settings.policy.action_types = action_types(&["*/*/mine/*"])).await;
    world.simulator.add_job(job("job-1"));
    let channel = world.gateway.new_channel();

    let other = poll(channel.clone(), "other").await;
    assert_eq!((other.code(), other.reason().as_str()), (Code::PermissionDenied, "ACTION_TYPE_NOT_ALLOWED"));
    assert_eq!(other.outcome(), "not_sent");
    assert!(world.simulator.requests().is_empty());

    assert_eq!(poll(channel.clone(), "mine").await.ok().jobs[0].job_id, "job-1");
    assert_eq!(details(channel.clone(), "job-1").await.ok().job_details.as_ref().unwrap().nonce, NONCE);
    world.stop().await;

    let world =
        World::changed(|settings| settings.policy.action_types = action_types(&["*/*/other/*"])).await;
    world.simulator.add_job(Job { status: "Dispatched".into(), ..job("job-1") });
    let withheld = details(world.gateway.new_channel(), "job-1").await;
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
    write_pair(folder.path(), &ca.issue("gateway.test"));
    std::fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let mut settings = settings();
    settings.tls = Some(Tls::load(tls_files(folder.path(), true)).unwrap());
    let entries = "dns:reader.test=poll,details,dns:worker.test";
    let entries = entries.split(',').map(|entry| entry.parse::<Entry>().unwrap());
    settings.auth = Auth::Mtls(AllowList::new(Rule::join(entries).unwrap()).unwrap());
    settings.aws = Limits { max_attempts: 1, ..settings.aws };
    let world = World::with(settings, Some(fake_keys())).await;
    world.simulator.add_job(job("job-1"));

    let reader = caller(&world, &ca, "reader.test").await;
    assert_eq!(poll(reader.clone(), "mine").await.ok().jobs.len(), 1);
    let refused = acknowledge(reader, request("job-1")).await;
    assert_eq!((refused.code(), refused.reason().as_str()), (Code::PermissionDenied, "CALLER_NOT_ALLOWED"));
    assert!(refused.status().message().contains("operation"), "{refused:?}");
    assert_eq!(refused.outcome(), "not_sent");

    let worker = caller(&world, &ca, "worker.test").await;
    acknowledge(worker, request("job-1")).await.ok();
    world.stop().await;
}
