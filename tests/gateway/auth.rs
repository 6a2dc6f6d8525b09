//! Who may call, by client certificate: real handshakes, real names.

use std::fs;

use codepipeline_gateway::auth::{AllowList, Auth};
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_gateway::server::Tls;
use rcgen::SanType;
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1;

use crate::certificates::{Authority, connect, files, write_pair};
use crate::harness::{Answer, World, fake_keys, request, settings};

async fn world(ca: &Authority, folder: &TempDir) -> World {
    write_pair(folder.path(), &ca.issue("gateway.test"));
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let mut settings = settings();
    settings.tls = Some(Tls::load(files(folder.path(), true)).unwrap());
    let allowed = ["spiffe://cluster.test/ns/builds/*", "dns:worker.test"];
    settings.auth = Auth::Mtls(AllowList::new(allowed.map(|rule| rule.parse().unwrap()).into()).unwrap());
    World::with(settings, Some(fake_keys())).await
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_callers_on_the_list_may_call_and_all_may_ask_for_health() {
    let (ca, folder) = (Authority::new(), TempDir::new().unwrap());
    let world = world(&ca, &folder).await;
    let not_allowed = Some((Code::PermissionDenied, "CALLER_NOT_ALLOWED"));
    let unknown = Some((Code::Unauthenticated, "CALLER_UNAUTHENTICATED"));
    let rows = [
        (vec![uri("spiffe://cluster.test/ns/builds/sa/worker")], None),
        (vec![dns("WORKER.test")], None),
        (vec![dns("other.test"), uri("spiffe://cluster.test/ns/builds/sa/worker")], None),
        (vec![uri("spiffe://cluster.test/ns/builds-of-others/sa/worker")], not_allowed),
        (vec![uri("spiffe://other.test/ns/builds/sa/worker")], not_allowed),
        (vec![dns("worker.test.evil.test")], not_allowed),
        (vec![uri("https://cluster.test/ns/builds/sa/worker")], unknown),
        // Names that lead out of what they begin with, and two names at once.
        (vec![uri("spiffe://cluster.test/ns/builds/../other/sa/worker")], unknown),
        (
            vec![
                uri("spiffe://cluster.test/ns/other/sa/a"),
                uri("spiffe://cluster.test/ns/builds/sa/worker"),
            ],
            unknown,
        ),
        (vec![], unknown),
    ];
    for (number, (names, refusal)) in rows.into_iter().enumerate() {
        let what = format!("{names:?}");
        let job = format!("job-{number}");
        world.add(&job);
        let channel = connect(&world, &ca, Some(&ca.issue_names(names))).await.unwrap();
        let answer: Answer = ThirdPartyJobServiceClient::new(channel.clone())
            .acknowledge_third_party_job(request(&job))
            .await
            .into();
        match refusal {
            None => assert_eq!(answer.ok().aws_status, "InProgress", "{what}"),
            Some((code, reason)) => {
                assert_eq!((answer.code(), answer.reason().as_str()), (code, reason), "{what}");
                assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 0), "{what}");
                assert!(answer.details().request_info().is_some());
            }
        }
        assert_eq!(world.requests_for(&job), usize::from(refusal.is_none()), "{what}: AWS hears of no other");
        assert_eq!(
            reflection(channel.clone(), None).await,
            refusal.map_or(Code::Ok, |(code, _)| code),
            "{what}"
        );
        let health = HealthCheckRequest { service: String::new() };
        HealthClient::new(channel).check(health).await.expect("health is open");
    }
    world.stop().await;
}

/// The code that reflection answers with.
pub async fn reflection(channel: tonic::transport::Channel, token: Option<&str>) -> Code {
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let mut request = tonic::Request::new(futures_util::stream::iter([request]));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let asked = client.server_reflection_info(request).await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}
