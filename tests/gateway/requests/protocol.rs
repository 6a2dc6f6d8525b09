//! Traffic that isn't gRPC.

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::valid;
use crate::harness::{ACKNOWLEDGE, World, raw_call, within};

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_get_415_and_an_explanation() {
    let world = World::start().await;
    for content_type in ["application/json", "application/grpc-web", "application/grpcx", "text/plain"] {
        let headers = [("content-type", content_type)];
        let response = raw_call(world.gateway.address, ACKNOWLEDGE, &headers, valid()).await.unwrap();
        assert_eq!(response.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        assert_eq!(response.headers["content-type"], "text/plain; charset=utf-8");
        assert!(response.body.starts_with(b"This port serves only gRPC over HTTP/2"));
    }
    let mut http1 = TcpStream::connect(world.gateway.address).await.unwrap();
    http1.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = http1.read_to_string(&mut answer);
    within("the end of the connection", Duration::from_secs(10), read).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("grpcurl"), "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_only_its_own_connection() {
    let world = World::start().await;
    world.add("job-1");
    let mut garbage = TcpStream::connect(world.gateway.address).await.unwrap();
    garbage.write_all(&[0x16, 0x03, 0x01, 0xff, 0xff, 0x0d, 0x0a, 0x0d, 0x0a]).await.unwrap();
    let mut rest = Vec::new();
    // The connection can end with a response or with a reset.
    let end = garbage.read_to_end(&mut rest);
    let _ = within("the end of the connection", Duration::from_secs(10), end).await;
    world.acknowledge("job-1").await.ok();
    world.stop().await;
}
