//! `floor`: the SDK's signer and a plain hyper client alone. No signed call to AWS through these
//! libraries costs less.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use clap::Parser;
use codepipeline_gateway_bench::load::{Call, Plan};
use codepipeline_gateway_bench::payload;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

// The gateway's allocator, so that no program differs by it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser, Debug)]
struct Cli {
    /// The stub's URL
    #[arg(long)]
    endpoint: Uri,
    #[command(flatten)]
    plan: Plan,
}

struct Floor {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Uri,
    identity: Identity,
}

impl Call for Floor {
    async fn call(&self, _: u64) -> Result<(), String> {
        let request = self.signed().map_err(text)?;
        let response = self.client.request(request).await.map_err(text)?;
        if response.status() != StatusCode::OK {
            return Err(response.status().to_string());
        }
        let body = response.into_body().collect().await.map_err(text)?.to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(text)?;
        answer["status"].as_str().map(drop).ok_or_else(|| "no status".to_owned())
    }
}

impl Floor {
    fn signed(&self) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error>> {
        let body = payload::json();
        let mut request = Request::post(self.endpoint.clone())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", payload::TARGET)
            .body(Full::new(body.clone()))?;
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(payload::REGION)
            .name("codepipeline")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        let signable =
            SignableRequest::new("POST", self.endpoint.to_string(), headers, SignableBody::Bytes(&body))?;
        let (instructions, _signature) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let credentials = Credentials::from_keys(payload::ACCESS_KEY_ID, payload::SECRET_ACCESS_KEY, None);
    let floor = Floor {
        client: Client::builder(TokioExecutor::new()).build(connector),
        endpoint: cli.endpoint,
        identity: credentials.into(),
    };
    println!("{}", cli.plan.run(Some(std::process::id()), floor).await);
}
