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
use aws_sdk_codepipeline::error::{BoxError, DisplayErrorContext};
use aws_sdk_codepipeline::types::{
    ActionCategory, ActionOwner, ActionTypeId, CurrentRevision, FailureDetails, FailureType,
};
use clap::Parser;
use codepipeline_gateway_bench::load::{Call, Plan};
use codepipeline_gateway_bench::payload::{self, Operation};

// The gateway's allocator, so that no program differs by it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser, Debug)]
struct Cli {
    /// The stub's URL
    #[arg(long)]
    endpoint: String,
    /// The operation to call
    #[arg(long, value_enum, default_value_t = Operation::Acknowledge)]
    operation: Operation,
    #[command(flatten)]
    plan: Plan,
}

struct Sdk {
    client: Client,
    operation: Operation,
}

impl Call for Sdk {
    async fn call(&self, _: u64) -> Result<(), String> {
        let called = match self.operation {
            Operation::Poll => self.poll().await,
            Operation::Details => self.details().await,
            Operation::Acknowledge => self.acknowledge().await,
            Operation::Success => self.success().await,
            Operation::Failure => self.failure().await,
        };
        called.map_err(|error| DisplayErrorContext(&*error).to_string())
    }
}

impl Sdk {
    async fn poll(&self) -> Result<(), BoxError> {
        let action_type = ActionTypeId::builder()
            .category(ActionCategory::Test)
            .owner(ActionOwner::ThirdParty)
            .provider("fake")
            .version("1")
            .build()?;
        let call = self.client.poll_for_third_party_jobs().action_type_id(action_type).max_batch_size(10);
        let output = call.send().await?;
        (output.jobs().len() == 10).then_some(()).ok_or_else(|| "not ten jobs".into())
    }

    async fn details(&self) -> Result<(), BoxError> {
        let call = self.client.get_third_party_job_details();
        let output = call.job_id(payload::JOB_ID).client_token(payload::CLIENT_TOKEN).send().await?;
        output.job_details().map(drop).ok_or_else(|| "no details".into())
    }

    async fn acknowledge(&self) -> Result<(), BoxError> {
        let call = self.client.acknowledge_third_party_job();
        let call = call.job_id(payload::JOB_ID).client_token(payload::CLIENT_TOKEN).nonce(payload::NONCE);
        call.send().await?.status().map(drop).ok_or_else(|| "no status".into())
    }

    async fn success(&self) -> Result<(), BoxError> {
        let revision = CurrentRevision::builder()
            .revision("r".repeat(payload::REVISION))
            .change_identifier("c".repeat(payload::REVISION))
            .build()?;
        let call = self.client.put_third_party_job_success_result().current_revision(revision);
        call.job_id(payload::JOB_ID).client_token(payload::CLIENT_TOKEN).send().await?;
        Ok(())
    }

    async fn failure(&self) -> Result<(), BoxError> {
        let details = FailureDetails::builder()
            .r#type(FailureType::JobFailed)
            .message("m".repeat(payload::MESSAGE))
            .build()?;
        let call = self.client.put_third_party_job_failure_result().failure_details(details);
        call.job_id(payload::JOB_ID).client_token(payload::CLIENT_TOKEN).send().await?;
        Ok(())
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
    let sdk = Sdk { client: Client::from_conf(config), operation: cli.operation };
    println!("{}", cli.plan.run(Some(std::process::id()), sdk).await);
}
