//! gRPC below the generated client: channels, frames, raw calls, and the health service.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{PATIENCE, within};

/// The paths of the methods.
pub const ACKNOWLEDGE: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";
pub const CHECK: &str = "/grpc.health.v1.Health/Check";
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The service and the name of a method.
pub fn service_and_name(path: &str) -> (&str, &str) {
    path[1..].split_once('/').unwrap()
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

pub fn tls_endpoint(address: SocketAddr, tls: ClientTlsConfig) -> Endpoint {
    Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap()
}

/// A channel that connects with its first call.
pub fn channel(address: SocketAddr) -> Channel {
    endpoint(address).connect_lazy()
}

/// A channel that is connected.
pub async fn connect(address: SocketAddr) -> Channel {
    within("a connection", PATIENCE, endpoint(address).connect()).await.unwrap()
}

/// A gRPC message with its prefix. The flag is 1 for a compressed message.
pub fn grpc_frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

/// The headers of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// The response to a raw call. `headers` has the trailers too.
#[derive(Debug)]
pub struct RawResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sends any bytes to any path over a connection of its own.
pub async fn raw_call(
    address: SocketAddr,
    path: &str,
    headers: Headers<'_>,
    body: impl Into<Bytes>,
) -> Result<RawResponse, hyper::Error> {
    raw_call_with_body(address, path, headers, Full::new(body.into())).await
}

/// Sends any body to any path over a connection of its own.
pub async fn raw_call_with_body<B>(
    address: SocketAddr,
    path: &str,
    headers: Headers<'_>,
    body: B,
) -> Result<RawResponse, hyper::Error>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let mut request = Request::post(format!("http://{address}{path}")).header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request.body(body).unwrap());
    let (head, body) = within("a response", PATIENCE, response).await?.into_parts();
    let body = within("the end of a response", PATIENCE, body.collect()).await?;
    let mut headers = head.headers;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    connection.abort();
    Ok(RawResponse { status: head.status, headers, body: body.to_bytes() })
}

/// Checks the health of the whole gateway.
pub async fn check_health(channel: Channel) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: String::new() };
    let check = async { HealthClient::new(channel).check(request).await };
    Ok(within("the health", PATIENCE, check).await?.into_inner().status())
}

/// Watches the health of the whole gateway.
pub async fn watch_health(channel: Channel) -> Result<Streaming<HealthCheckResponse>, Status> {
    let request = HealthCheckRequest { service: String::new() };
    let watch = async { HealthClient::new(channel).watch(request).await };
    Ok(within("a health watch", PATIENCE, watch).await?.into_inner())
}

/// Reads a health watch until it reports this status.
pub async fn until_health(watch: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    let mut last = None;
    let reported = async {
        while last != Some(wanted) {
            last = Some(watch.message().await.unwrap().expect("a status").status());
        }
    };
    let reported = tokio::time::timeout(PATIENCE, reported).await;
    assert!(reported.is_ok(), "the health is {last:?} and doesn't become {wanted:?}");
}

/// Waits on a health watch, as a client library does.
pub async fn wait_for_health(channel: Channel, wanted: ServingStatus) {
    until_health(&mut watch_health(channel).await.unwrap(), wanted).await;
}

pub async fn until_serving(address: SocketAddr) {
    wait_for_health(channel(address), ServingStatus::Serving).await;
}
