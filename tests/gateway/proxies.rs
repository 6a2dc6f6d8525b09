//! Connections to AWS through an HTTP proxy, by the standard variables.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rcgen::SanType;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::certificates::Authority;
use crate::harness::http_server::{HttpServer, acceptor, respond};
use crate::harness::process::serve_command;
use crate::harness::{
    Acknowledged, Scratch, acknowledge, channel, loopback, request, simulator_with, until_serving,
};

/// `user:fake-password`, as the proxy gets it.
const AUTHORIZATION: &str = "Basic dXNlcjpmYWtlLXBhc3N3b3Jk";

/// A proxy that records the first lines of its connections.
#[derive(Clone, Default)]
struct Proxy(Arc<Mutex<Vec<String>>>);

impl Proxy {
    async fn start() -> (Self, SocketAddr) {
        let (proxy, listener) = (Self::default(), loopback().await);
        let address = listener.local_addr().unwrap();
        tokio::spawn(proxy.clone().serve(listener));
        (proxy, address)
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(self.clone().connection(client));
        }
    }

    async fn connection(self, mut client: TcpStream) {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let text = String::from_utf8(head.clone()).unwrap();
        let (method, rest) = text.split_once(' ').unwrap();
        let target = rest.trim_start_matches("http://").split([' ', '/']).next().unwrap();
        let mut server = TcpStream::connect(target).await.unwrap();
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        } else {
            server.write_all(&head).await.unwrap();
        }
        self.0.lock().unwrap().push(text);
        // Either side can end the connection in any way.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }

    fn heads(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Acknowledges a job through the real binary with these variables, and returns its log too.
async fn acknowledged(variables: &[(&str, &str)]) -> (Acknowledged, String) {
    let serve = serve_command(&["--shutdown-delay=0s", "--log-level=trace"]).with_keys().with_all(variables);
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    let answer = acknowledge(channel(address), request("job-1")).await;
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0));
    (answer, ended.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plaintext_request_goes_to_the_proxy_with_its_whole_url() {
    let simulator = simulator_with(&["job-1"]).await;
    let (proxy, address) = Proxy::start().await;
    let (endpoint, proxy_url) = (simulator.endpoint_url(), format!("http://user:fake-password@{address}"));
    let variables = [("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint.as_str()), ("HTTP_PROXY", &proxy_url)];
    let (answer, log) = acknowledged(&variables).await;
    assert_eq!(answer.ok().aws_status, "InProgress");
    let heads = proxy.heads();
    assert!(heads[0].starts_with(&format!("POST {endpoint}/ HTTP/1.1\r\n")), "{heads:?}");
    assert!(heads[0].contains(AUTHORIZATION), "{heads:?}");
    assert!(!log.contains("fake-password") && !log.contains("dXNlcjpmYWtl"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_tls_goes_through_a_tunnel() {
    let authority = Authority::new();
    let folder = Scratch::new();
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let pair = authority.issue_names(vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))]);
    let aws = HttpServer::on(loopback().await, Some(acceptor(&pair, &[])), |request| {
        // The server sees an ordinary request.
        let status = if request.uri().path() == "/" && request.uri().host().is_none() { 200 } else { 400 };
        std::future::ready(respond(status, r#"{"status":"InProgress"}"#))
    });
    let (proxy, address) = Proxy::start().await;
    let (endpoint, proxy_url) =
        (format!("https://{}", aws.address), format!("http://user:fake-password@{address}"));
    let ca = folder.path().join("ca.crt");
    let variables = [
        ("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint.as_str()),
        ("HTTPS_PROXY", &proxy_url),
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
    ];
    let (answer, log) = acknowledged(&variables).await;
    assert_eq!(answer.ok().aws_status, "InProgress");
    let heads = proxy.heads();
    assert!(heads[0].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", aws.address)), "{heads:?}");
    assert!(heads[0].contains(AUTHORIZATION), "{heads:?}");
    assert!(!log.contains("fake-password") && !log.contains("dXNlcjpmYWtl"));

    let direct = [&variables[..], &[("NO_PROXY", "127.0.0.1")]].concat();
    let (answer, _) = acknowledged(&direct).await;
    assert_eq!(answer.ok().aws_status, "InProgress");
    assert_eq!(proxy.heads().len(), heads.len(), "NO_PROXY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_means_that_nothing_was_sent() {
    let closed = loopback().await.local_addr().unwrap();
    let proxy = format!("http://{closed}");
    for (endpoint, variable) in [("http://192.0.2.1", "HTTP_PROXY"), ("https://192.0.2.1", "HTTPS_PROXY")] {
        let variables = [
            ("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint),
            (variable, &proxy),
            ("GATEWAY_AWS_MAX_ATTEMPTS", "1"),
        ];
        let (answer, _) = acknowledged(&variables).await;
        assert_eq!((answer.reason().as_str(), answer.outcome().as_str()), ("AWS_UNREACHABLE", "not_sent"));
    }
}
