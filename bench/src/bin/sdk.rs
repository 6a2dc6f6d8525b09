//! `sdk`: the AWS SDK's generated client alone, called in this process, so that a call costs only
//! the SDK.
//!
//! Its settings are the gateway's: single attempts, no identity cache, no stalled-stream
//! protection.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::retry::RetryConfig;
use aws_sdk_codepipeline::config::timeout::TimeoutConfig;
use aws_sdk_codepipeline::config::{
    BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_codepipeline::error::DisplayErrorContext;
use clap::Parser;
use codepipeline_gateway_bench::load::{Call, Plan};
use codepipeline_gateway_bench::payload;

// The gateway's allocator, so that no program differs by it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser, Debug)]
struct Cli {
    /// The stub's URL
    #[arg(long)]
    endpoint: String,
    #[command(flatten)]
    plan: Plan,
}

struct Sdk(Client);

impl Call for Sdk {
    async fn call(&self, _: u64) -> Result<(), String> {
        let operation = self
            .0
            .acknowledge_third_party_job()
            .job_id(payload::JOB_ID)
            .nonce(payload::NONCE)
            .client_token(payload::CLIENT_TOKEN);
        let output = operation.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
        output.status().map(drop).ok_or_else(|| "no status".to_owned())
    }
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let credentials = Credentials::from_keys(payload::ACCESS_KEY_ID, payload::SECRET_ACCESS_KEY, None);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(payload::REGION))
        .endpoint_url(cli.endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(std::time::Duration::from_secs(2)).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    println!("{}", cli.plan.run(Some(std::process::id()), Sdk(Client::from_conf(config))).await);
}
