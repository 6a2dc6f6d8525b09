//! Bad input: every caller gets a clear answer, and AWS sees none of it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_gateway::server::Settings;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::{Answer, NONCE, World, fake_keys, request, settings};

const METHOD: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";

/// Sends bytes that no gRPC library would, and reads what comes back as one would.
async fn raw(world: &World, path: &str, headers: Headers<'_>, body: Bytes) -> (StatusCode, HeaderMap, Bytes) {
    let socket = TcpStream::connect(world.gateway.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}{path}", world.gateway.address);
    let mut request = Request::builder().method(Method::POST).uri(uri).header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let mut all = parts.headers;
    all.extend(body.trailers().cloned().unwrap_or_default());
    connection.abort();
    (parts.status, all, body.to_bytes())
}

/// The same, for a call that has to fail.
async fn failed(world: &World, path: &str, headers: Headers<'_>, body: Bytes) -> Answer {
    let (status, headers, _) = raw(world, path, headers, body).await;
    assert_eq!(status, StatusCode::OK, "gRPC errors travel in a 200");
    let metadata = tonic::metadata::MetadataMap::from_headers(headers.clone());
    Answer { metadata, result: Err(Box::new(Status::from_header_map(&headers).expect("a gRPC status"))) }
}

/// Sets one field of a request.
type Set = fn(&mut AcknowledgeThirdPartyJobRequest, String);

/// Headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn valid() -> Bytes {
    frame(0, &request("job-1").encode_to_vec())
}

fn assert_invalid(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.code(), answer.reason().as_str()),
        (Code::InvalidArgument, "INVALID_REQUEST"),
        "{what}"
    );
    assert_eq!((answer.outcome().as_str(), answer.attempts()), ("not_sent", 0), "{what}");
    assert_eq!(
        answer.details().request_info().map(|info| info.request_id.as_str()),
        answer.header("x-request-id")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_told_at_once() {
    let world = World::start().await;
    let empty = world.gateway.send(AcknowledgeThirdPartyJobRequest::default()).await;
    assert_invalid(&empty, "all empty");
    let details = empty.details();
    let fields: Vec<&str> =
        details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["job_id", "nonce", "client_token"]);
    assert_eq!(
        empty.status().message(),
        "The request is invalid: job_id must not be empty, nonce must not be empty, client_token must not be empty."
    );
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_exact_and_count_characters() {
    let world = World::start().await;
    let fields: [(&str, usize, Set); 3] = [
        ("job_id", 512, |request, text| request.job_id = text),
        ("nonce", 50, |request, text| request.nonce = text),
        ("client_token", 256, |request, text| request.client_token = text),
    ];
    for (field, max, set) in fields {
        for character in ["a", "é", "€", "🦀", "\u{301}"] {
            for (length, fits) in [(0, false), (1, true), (max, true), (max + 1, false)] {
                let mut request = request("job-1");
                set(&mut request, character.repeat(length));
                let answer = world.gateway.send(request).await;
                let what = format!("{length} × {character:?} as {field}");
                let named = answer.details().bad_request().map(|bad| bad.field_violations[0].field.clone());
                assert_eq!(answer.attempts(), u32::from(fits), "{what}");
                assert_eq!(named.as_deref(), (!fits).then_some(field), "{what}");
            }
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_not_be_read_is_told_so() {
    let world = World::start().await;
    let long = AcknowledgeThirdPartyJobRequest { job_id: "x".repeat(70_000), ..request("") };
    assert_invalid(&world.gateway.send(long).await, "over 64 KiB");
    let garbage = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let not_utf8 =
        [&b"\x0a\x02\xff\xfe\x12"[..], &[u8::try_from(NONCE.len()).unwrap()], NONCE.as_bytes()].concat();
    let rows: [(&str, Headers<'_>, Bytes); 9] = [
        ("malformed protobuf", &[], frame(0, garbage)),
        ("not UTF-8", &[], frame(0, &not_utf8)),
        ("said to be compressed, with nothing said how", &[], frame(1, b"abc")),
        ("an impossible compression flag", &[], frame(7, b"abc")),
        ("compressed in a way that isn't read", &[("grpc-encoding", "gzip")], frame(1, b"abc")),
        ("compressed in a way that nobody knows", &[("grpc-encoding", "x-own")], valid()),
        ("no message at all", &[], Bytes::new()),
        ("half a message", &[], valid().slice(0..12)),
        ("a length of 4 GiB", &[], Bytes::from_static(b"\x00\xff\xff\xff\xffabc")),
    ];
    for (what, headers, body) in rows {
        let answer = failed(&world, METHOD, headers, body).await;
        assert_invalid(&answer, what);
        assert!(!format!("{answer:?}").contains(NONCE), "{what}");
    }
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_method_is_told_so() {
    let world = World::start().await;
    for path in [
        "/codepipeline.thirdparty.v1.ThirdPartyJobService/PollForThirdPartyJobs",
        "/no.Such/Method",
        "/",
        "/x",
    ] {
        let answer = failed(&world, path, &[], valid()).await;
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
async fn reflection_that_is_switched_off_is_no_method() {
    let world = World::with(Settings { reflection: false, ..settings() }, Some(fake_keys())).await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = failed(&world, &path, &[], valid()).await;
        // By this code a client knows that there is no reflection.
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_of_a_service_that_is_not_there_is_told_so() {
    let world = World::start().await;
    let body = frame(0, &tonic_health::pb::HealthCheckRequest { service: "no.Such".into() }.encode_to_vec());
    let answer = failed(&world, "/grpc.health.v1.Health/Check", &[], body).await;
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::NotFound, "UNKNOWN_SERVICE"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_timeout_is_told_so_and_one_too_short_sends_nothing() {
    let world = World::start().await;
    for timeout in ["soon", "1s", "123456789S", "-1S", "", "5"] {
        assert_invalid(&failed(&world, METHOD, &[("grpc-timeout", timeout)], valid()).await, timeout);
    }
    for timeout in ["0S", "5m", "20m"] {
        let answer = failed(&world, METHOD, &[("grpc-timeout", timeout)], valid()).await;
        assert_eq!(
            (answer.code(), answer.outcome().as_str()),
            (Code::DeadlineExceeded, "not_sent"),
            "{timeout}"
        );
        assert_eq!(answer.attempts(), 0, "{timeout}");
    }
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_own_request_id_comes_back_if_it_is_usable() {
    let world = World::start().await;
    for (given, usable) in [
        ("worker-7/build:42.1_x", true),
        (&"a".repeat(128), true),
        (&"a".repeat(129), false),
        ("a b", false),
        ("a\"b", false),
        ("", false),
    ] {
        for path in [METHOD, "/no.Such/Method"] {
            let answer = failed(&world, path, &[("x-request-id", given)], valid()).await;
            let id = answer.header("x-request-id").unwrap().to_owned();
            assert_eq!(id == given, usable, "{given:?} came back as {id:?}");
            assert_eq!(answer.details().request_info().unwrap().request_id, id);
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_grpc_is_told_what_to_do() {
    let world = World::start().await;
    for content_type in ["application/json", "application/grpc-web", "application/grpcx", "text/plain"] {
        let (status, headers, body) = raw(&world, METHOD, &[("content-type", content_type)], valid()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(body.starts_with(b"This port speaks gRPC over HTTP/2"));
    }
    let mut http1 = TcpStream::connect(world.gateway.address).await.unwrap();
    http1.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = http1.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("it closes the connection").unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("grpcurl"), "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_connection_and_no_other() {
    let world = World::start().await;
    world.add("job-1");
    let mut garbage = TcpStream::connect(world.gateway.address).await.unwrap();
    garbage.write_all(&[0x16, 0x03, 0x01, 0xff, 0xff, 0x0d, 0x0a, 0x0d, 0x0a]).await.unwrap();
    let mut rest = Vec::new();
    // However it ends, answered or reset, it ends.
    let _ =
        tokio::time::timeout(Duration::from_secs(10), garbage.read_to_end(&mut rest)).await.expect("an end");
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_reflections_show_the_services_and_the_error_details() {
    let world = World::start().await;
    let channel = world.gateway.channel.clone();
    for question in
        ["list", "google.rpc.ErrorInfo", "codepipeline.thirdparty.v1.JobStatus", "grpc.health.v1.Health"]
    {
        let v1 = reflect_v1(channel.clone(), question).await;
        let v1alpha = reflect_v1alpha(channel.clone(), question).await;
        assert_eq!(v1.len(), v1alpha.len(), "{question}");
        let own =
            if question == "list" { "codepipeline.thirdparty.v1.ThirdPartyJobService" } else { question };
        assert!(v1.iter().any(|found| found == own || question != "list"), "{question}: {v1:?}");
        assert!(!v1.is_empty(), "{question}");
    }
    world.stop().await;
}

/// The names of the services, or the files that define a symbol.
async fn reflect_v1(channel: tonic::transport::Channel, question: &str) -> Vec<String> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let ask = match question {
        "list" => MessageRequest::ListServices(String::new()),
        symbol => MessageRequest::FileContainingSymbol(symbol.into()),
    };
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    match answers.message().await.unwrap().unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        MessageResponse::FileDescriptorResponse(files) => {
            files.file_descriptor_proto.iter().map(|f| f.len().to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn reflect_v1alpha(channel: tonic::transport::Channel, question: &str) -> Vec<String> {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let ask = match question {
        "list" => MessageRequest::ListServices(String::new()),
        symbol => MessageRequest::FileContainingSymbol(symbol.into()),
    };
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    match answers.message().await.unwrap().unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        MessageResponse::FileDescriptorResponse(files) => {
            files.file_descriptor_proto.iter().map(|f| f.len().to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_message_holds_its_slot_only_until_the_deadline() {
    let mut settings = settings();
    settings.max_in_flight = 1;
    let world = World::with(settings, Some(fake_keys())).await;
    world.add("job-1");
    let socket = TcpStream::connect(world.gateway.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    // The body is announced and never comes.
    let request = Request::post(format!("http://{}{METHOD}", world.gateway.address))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "300m")
        .body(StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>()))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    connection.abort();
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}
