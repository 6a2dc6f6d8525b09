//! HTTP/1.1 requests, above all to the admin port.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{PATIENCE, within};

pub async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Sends bytes, and returns what the other side sends until it closes the connection.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The bytes before a reset stay in the buffer.
    let _ = within("the end of the connection", PATIENCE, socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// One GET request, as a probe sends it: the head and the body of the response.
pub async fn get(address: SocketAddr, path: &str, accept: &str) -> (String, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: probe\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {answer:?}"));
    (head.to_owned(), body.to_owned())
}

/// Whether `/readyz` returns 200.
pub async fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/readyz", "*/*").await.0.starts_with("HTTP/1.1 200 ")
}

/// The value of one series of `/metrics`. A missing series fails the test.
pub async fn metric(admin: SocketAddr, series: &str) -> f64 {
    series_value(&get(admin, "/metrics", "text/plain").await.1, series)
}

/// The value of one series on a page of metrics. A missing series fails the test.
pub fn series_value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}
