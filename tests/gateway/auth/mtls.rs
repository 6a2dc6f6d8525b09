//! Client certificates: real handshakes, real names.

use codepipeline_gateway::auth::{AllowList, Auth};
use codepipeline_gateway::server::Tls;
use rcgen::SanType;
use tempfile::TempDir;
use tonic::Code;

use crate::harness::certificates::{Authority, connect_tls, mutual_tls_files};
use crate::harness::reflection::reflection_code;
use crate::harness::{World, acknowledge, check_health, request};

async fn world(ca: &Authority, folder: &TempDir) -> World {
    let tls = Tls::load(mutual_tls_files(ca, folder.path())).unwrap();
    let allowed = ["spiffe://cluster.test/ns/builds/*", "dns:worker.test"];
    let allowed = AllowList::new(allowed.map(|rule| rule.parse().unwrap()).into()).unwrap();
    World::changed(|settings| {
        settings.tls = Some(tls);
        settings.auth = Auth::Mtls(allowed);
    })
    .await
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_callers_can_call_and_health_is_open_to_all() {
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
        // A name with `..` segments, and a certificate with two names.
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
    for (number, (names, rejection)) in rows.into_iter().enumerate() {
        let what = format!("{names:?}");
        let job = format!("job-{number}");
        world.add(&job);
        let channel = connect_tls(&world, &ca, Some(&ca.issue_names(names))).await.unwrap();
        let answer = acknowledge(channel.clone(), request(&job)).await;
        match rejection {
            None => assert_eq!(answer.ok().aws_status, "InProgress", "{what}"),
            Some((code, reason)) => {
                assert_eq!((answer.code(), answer.reason().as_str()), (code, reason), "{what}");
                assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 0), "{what}");
                assert!(answer.details().request_info().is_some());
            }
        }
        assert_eq!(world.requests_for(&job), usize::from(rejection.is_none()), "{what}: requests at AWS");
        assert_eq!(
            reflection_code(channel.clone(), None).await,
            rejection.map_or(Code::Ok, |(code, _)| code),
            "{what}"
        );
        check_health(channel).await.expect("the health service is open to all");
    }
    world.stop().await;
}
