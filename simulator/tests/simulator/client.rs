//! A client that signs and writes HTTP requests on a bare socket. It sees events that an SDK hides,
//! such as RST or FIN.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use codepipeline_simulator::{AccessKey, OperationName};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{JOB, NONCE, TOKEN};

pub(crate) const TARGET: &str = "CodePipeline_20150709.AcknowledgeThirdPartyJob";

/// A request whose parts a test can replace.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) body: String,
    pub(crate) target: String,
    pub(crate) content_type: String,
    pub(crate) key: AccessKey,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) signed_headers: Vec<&'static str>,
    /// The seconds by which the client's clock is ahead.
    pub(crate) ahead: i64,
    /// The day in the scope, if it differs from the date.
    pub(crate) scope_day: Option<String>,
    /// Replaces the `Authorization` header. Empty means no header.
    pub(crate) authorization: Option<String>,
}

impl Default for Call {
    /// A valid acknowledge of the default job, signed with the fake key.
    fn default() -> Self {
        Self {
            body: json!({ "jobId": JOB, "nonce": NONCE, "clientToken": TOKEN }).to_string(),
            target: TARGET.to_owned(),
            content_type: "application/x-amz-json-1.1".to_owned(),
            key: AccessKey::fake(),
            region: "eu-west-1".to_owned(),
            service: "codepipeline".to_owned(),
            signed_headers: vec!["content-type", "host", "x-amz-date", "x-amz-target"],
            ahead: 0,
            scope_day: None,
            authorization: None,
        }
    }
}

impl Call {
    pub(crate) fn of(job_id: &str, nonce: &str, client_token: &str) -> Self {
        Self::with_body(&json!({ "jobId": job_id, "nonce": nonce, "clientToken": client_token }).to_string())
    }

    pub(crate) fn with_body(body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::default() }
    }

    /// A call of any operation.
    pub(crate) fn operation(operation: OperationName, body: &Value) -> Self {
        let target = format!("CodePipeline_20150709.{}", operation.as_str());
        Self { body: body.to_string(), target, ..Self::default() }
    }

    fn headers(&self, addr: SocketAddr) -> Vec<(&'static str, String)> {
        let now = OffsetDateTime::from(SystemTime::now()) + time::Duration::seconds(self.ahead);
        let date = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            now.year(),
            u8::from(now.month()),
            now.day(),
            now.hour(),
            now.minute(),
            now.second()
        );
        let mut headers = vec![
            ("content-type", self.content_type.clone()),
            ("host", addr.to_string()),
            ("x-amz-date", date.clone()),
            ("x-amz-target", self.target.clone()),
        ];
        headers.extend(self.key.session_token.clone().map(|token| ("x-amz-security-token", token)));
        let authorization = self.authorization.clone().unwrap_or_else(|| self.sign(&headers, &date));
        if !authorization.is_empty() {
            headers.push(("authorization", authorization));
        }
        headers.push(("user-agent", "tests/1".to_owned()));
        headers.push(("content-length", self.body.len().to_string()));
        headers
    }

    /// The `Authorization` header of this call.
    pub(crate) fn authorization(&self, addr: SocketAddr) -> String {
        self.headers(addr).into_iter().find(|(name, _)| *name == "authorization").unwrap().1
    }

    /// Signature Version 4, see
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>.
    fn sign(&self, headers: &[(&str, String)], date: &str) -> String {
        let mac = |key: &[u8], text: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text.as_bytes());
            mac.finalize().into_bytes()
        };
        let value =
            |name: &str| headers.iter().find(|(header, _)| *header == name).map_or("", |(_, value)| value);
        let lines: Vec<_> =
            self.signed_headers.iter().map(|name| format!("{name}:{}\n", value(name))).collect();
        let (lines, names) = (lines.concat(), self.signed_headers.join(";"));
        let body = hex::encode(Sha256::digest(&self.body));
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{body}");
        let day = self.scope_day.as_deref().unwrap_or(&date[..8]);
        let (region, service) = (&self.region, &self.service);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(&canonical)));
        let key = mac(format!("AWS4{}", self.key.secret_access_key).as_bytes(), day);
        let key = mac(&mac(&mac(&key, region), service), "aws4_request");
        let signature = hex::encode(mac(&key, &to_sign));
        let id = &self.key.access_key_id;
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    /// Sends the call on a new connection.
    pub(crate) async fn send(&self, addr: SocketAddr) -> io::Result<Response> {
        Connection::open(addr).await?.call(self).await
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The error's code and message, checked to be HTTP 400.
    pub(crate) fn error(&self) -> (String, String) {
        assert_eq!(self.status, 400, "{}", self.body);
        let json = self.json();
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (text("__type"), text("message"))
    }

    pub(crate) fn error_code(&self) -> String {
        self.error().0
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    addr: SocketAddr,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(addr).await?, addr, received: Vec::new() })
    }

    pub(crate) async fn call(&mut self, call: &Call) -> io::Result<Response> {
        self.send(call).await?;
        self.response().await
    }

    pub(crate) async fn send(&mut self, call: &Call) -> io::Result<()> {
        let headers = call.headers(self.addr);
        self.request("POST / HTTP/1.1", &headers, &call.body).await
    }

    pub(crate) async fn request(
        &mut self,
        line: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> io::Result<()> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!("{line}\r\n{}\r\n{body}", headers.concat());
        self.stream.write_all(text.as_bytes()).await
    }

    /// Reads one response. If the connection ends early, the error is `UnexpectedEof` or
    /// `ConnectionReset`.
    pub(crate) async fn response(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read().await?;
        };
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        self.received.drain(..end + 4);
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            self.read().await?;
        }
        let body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Ok(Response { status, headers, body })
    }

    /// Reads until the connection ends.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<String> {
        loop {
            match self.read().await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(String::from_utf8(std::mem::take(&mut self.received)).unwrap());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        // A deadline that turns a test that would hang into a test that fails.
        let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read(&mut buffer)).await??;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&buffer[..read]);
        Ok(())
    }
}
