//! Messages and methods that the gateway can't accept.

use std::convert::Infallible;

use bytes::Bytes;
use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use http_body_util::StreamBody;
use hyper::body::Frame;
use prost::Message;
use tonic::Code;

use super::{assert_invalid, failed_call, valid};
use crate::harness::{
    ACKNOWLEDGE, Answer, CHECK, Headers, NONCE, World, grpc_frame, raw_call_with_body, request,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_an_invalid_request() {
    let world = World::start().await;
    let long = AcknowledgeThirdPartyJobRequest { job_id: "x".repeat(70_000), ..request("") };
    assert_invalid(&world.gateway.send(long).await, "over 64 KiB");
    let garbage = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let not_utf8 =
        [&b"\x0a\x02\xff\xfe\x12"[..], &[u8::try_from(NONCE.len()).unwrap()], NONCE.as_bytes()].concat();
    let rows: [(&str, Headers<'_>, Vec<u8>); 9] = [
        ("malformed protobuf", &[], grpc_frame(0, garbage)),
        ("not UTF-8", &[], grpc_frame(0, &not_utf8)),
        ("compressed, without a name of the compression", &[], grpc_frame(1, b"abc")),
        ("an impossible compression flag", &[], grpc_frame(7, b"abc")),
        ("compressed with an unsupported compression", &[("grpc-encoding", "gzip")], grpc_frame(1, b"abc")),
        ("compressed with an unknown compression", &[("grpc-encoding", "x-own")], valid()),
        ("no message", &[], Vec::new()),
        ("half a message", &[], valid()[..12].to_vec()),
        ("a length of 4 GiB", &[], b"\x00\xff\xff\xff\xffabc".to_vec()),
    ];
    for (what, headers, body) in rows {
        let answer = failed_call(&world, ACKNOWLEDGE, headers, body).await;
        assert_invalid(&answer, what);
        assert!(!format!("{answer:?}").contains(NONCE), "{what}");
    }
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_method_is_unimplemented() {
    let world = World::start().await;
    for path in
        ["/codepipeline.thirdparty.v1.ThirdPartyJobService/ListPipelines", "/no.Such/Method", "/", "/x"]
    {
        let answer = failed_call(&world, path, &[], valid()).await;
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::Unimplemented, "UNKNOWN_METHOD"),
            "{path}"
        );
        assert_eq!(answer.outcome(), "not_sent");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_an_unknown_service_is_not_found() {
    let world = World::start().await;
    let body =
        grpc_frame(0, &tonic_health::pb::HealthCheckRequest { service: "no.Such".into() }.encode_to_vec());
    let answer = failed_call(&world, CHECK, &[], body).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::NotFound, "UNKNOWN_SERVICE"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_message_holds_its_permit_until_the_deadline() {
    let world = World::changed(|settings| settings.max_in_flight = 1).await;
    world.add("job-1");
    // The body is announced and never comes.
    let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let headers = [("grpc-timeout", "300m")];
    let response = raw_call_with_body(world.gateway.address, ACKNOWLEDGE, &headers, body).await.unwrap();
    assert_eq!(Answer::from_headers(response.headers).code(), Code::DeadlineExceeded);
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}
