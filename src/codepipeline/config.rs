//! Loads the SDK's configuration: the endpoint of CodePipeline, and the providers of credentials.
//! It is the SDK's own standard configuration (environment, shared config and credentials files,
//! web identity, container, IMDS).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::user_agent::{ApiMetadata, AwsUserAgent};
use aws_sdk_codepipeline::config::Region;
use aws_sdk_codepipeline::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::SdkConfig;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;

use super::advice::region_advice;
use super::client::Transport;
use crate::artifacts::Presigner;

/// The switches for the kind of endpoint: the variable, and the key in the profile.
pub const ENDPOINT_SWITCHES: [(&str, &str); 2] = [
    ("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
    ("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
];

/// The SDK's defaults as of this date. A later SDK doesn't change them.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The source of the SDK's configuration.
#[derive(Clone, Debug)]
pub enum Source {
    /// The SDK's standard configuration.
    Environment {
        /// Its shared config and credentials files. The gateway watches them, because the SDK reads
        /// each only once.
        shared_files: Vec<PathBuf>,
        /// The values of the variables of `ENDPOINT_SWITCHES` that are set.
        switches: [Option<String>; 2],
    },
    /// Fixed values, for `dev` and for tests, which must not depend on the machine's configuration.
    Fixed {
        /// The region that requests are signed for.
        region: String,
        /// The URL of the CodePipeline simulator.
        endpoint_url: String,
        /// The keys that requests are signed with. Without keys, the gateway has no credentials.
        keys: Option<FakeKeys>,
    },
}

impl Source {
    fn shared_files(&self) -> &[PathBuf] {
        match self {
            Self::Environment { shared_files, .. } => shared_files,
            Self::Fixed { .. } => &[],
        }
    }
}

/// Keys for a CodePipeline simulator. Their `Debug` output has no secret.
#[derive(Clone)]
pub struct FakeKeys {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token, for temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for FakeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeKeys(redacted)")
    }
}

/// Why the SDK's configuration can't be used. The text names the setting.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// No region is configured. The text says how to add one to the profile.
    #[error("no AWS region: set AWS_REGION, or {0}")]
    NoRegion(String),
    /// The region can't be part of a host name.
    #[error("AWS_REGION (or `region` in the profile): {0:?} isn't a region; use a name such as eu-west-1")]
    BadRegion(String),
    /// The endpoint isn't an http or https URL.
    #[error("{0} or AWS_ENDPOINT_URL (or `endpoint_url` in the profile): {1}")]
    BadEndpoint(&'static str, String),
    /// The value of a switch, a variable or a key in the profile, is neither true nor false.
    #[error("{0}: {1:?} isn't valid; use true or false")]
    BadSwitch(String, String),
}

/// The SDK's configuration, validated.
#[derive(Clone)]
pub struct Aws {
    source: Source,
    config: SdkConfig,
    region: Arc<str>,
    endpoint: String,
    presigner: Presigner,
}

impl fmt::Debug for Aws {
    // The SDK's own would show the access key id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Aws {
    /// Loads and validates the configuration. Loads no credentials, and calls no AWS service. If no
    /// region is configured, the SDK asks the instance's metadata service for one.
    ///
    /// # Errors
    /// The region is missing, or a region, endpoint, or switch is invalid.
    pub async fn load(source: Source) -> Result<Self, AwsError> {
        if let Source::Environment { switches, .. } = &source {
            check_switches(switches).await?;
        }
        let config = sdk_config(&source).await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(AwsError::NoRegion(region_advice(source.shared_files()).await));
        };
        if !is_region(&region) {
            return Err(AwsError::BadRegion(region));
        }
        let endpoint = endpoint(&config, &region).await?;
        let presigner = presigner(&config).await?;
        Ok(Self { source, config, region: region.into(), endpoint, presigner })
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> Arc<str> {
        self.region.clone()
    }

    /// The URL that requests are sent to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The URL of S3, to which the host or the path of a presigned request adds the bucket.
    #[must_use]
    pub fn s3_endpoint(&self) -> &str {
        self.presigner.endpoint()
    }

    /// Signs requests for artifacts in S3.
    pub(super) fn presigner(&self) -> Presigner {
        self.presigner.clone()
    }

    /// How requests are made with this configuration.
    pub(super) fn transport(&self, connect_timeout: Duration, idle_timeout: Duration) -> Transport {
        let api = ApiMetadata::new("codepipeline", aws_sdk_codepipeline::meta::PKG_VERSION);
        let mut user_agent = AwsUserAgent::new_from_environment(Env::real(), api);
        if let Some(name) = self.config.app_name() {
            user_agent.set_app_name(name.clone());
        }
        Transport {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            user_agent: user_agent.aws_ua_header(),
            connect_timeout,
            idle_timeout,
        }
    }

    /// The files that can contain credentials.
    pub(super) fn shared_files(&self) -> &[PathBuf] {
        self.source.shared_files()
    }

    /// The provider chain for the environment and the files as they are now.
    pub(super) async fn provider(&self) -> Option<SharedCredentialsProvider> {
        sdk_config(&self.source).await.credentials_provider()
    }
}

async fn sdk_config(source: &Source) -> SdkConfig {
    match source {
        Source::Environment { .. } => {
            // AWS_MAX_ATTEMPTS and AWS_RETRY_MODE don't apply. With this value, the SDK doesn't
            // read them.
            aws_config::defaults(behavior()).retry_config(RetryConfig::disabled()).load().await
        }
        Source::Fixed { region, endpoint_url, keys } => {
            let mut config = SdkConfig::builder()
                .behavior_version(behavior())
                .region(Region::new(region.clone()))
                .endpoint_url(endpoint_url);
            config.set_credentials_provider(keys.as_ref().map(FakeKeys::provider));
            config.build()
        }
    }
}

/// Checks the switches. The SDK treats an unreadable switch as "off" and logs it where the
/// gateway's log filter removes the line, but an operator who wants FIPS must not get less. As in
/// the SDK, a variable has priority over the profile.
async fn check_switches(variables: &[Option<String>; 2]) -> Result<(), AwsError> {
    let files = EnvConfigFiles::default();
    // An unreadable file is reported later, by the provider that needs it.
    let profile = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await.ok();
    for ((variable, key), of_variable) in ENDPOINT_SWITCHES.into_iter().zip(variables) {
        let of_profile = profile.as_ref().and_then(|profile| profile.get(key));
        let value = of_variable.as_deref().or(of_profile).unwrap_or("false");
        if ["true", "false"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
            continue;
        }
        let name = match of_variable {
            Some(_) => variable.to_owned(),
            None => format!("{key} in the profile of the shared config file"),
        };
        return Err(AwsError::BadSwitch(name, value.to_owned()));
    }
    Ok(())
}

impl FakeKeys {
    fn provider(&self) -> SharedCredentialsProvider {
        let Self { access_key_id, secret_access_key, session_token } = self;
        let credentials =
            Credentials::new(access_key_id, secret_access_key, session_token.clone(), None, "fixed");
        SharedCredentialsProvider::new(credentials)
    }
}

/// Whether a text can be a region: a DNS label of lowercase words with hyphens between them.
fn is_region(region: &str) -> bool {
    let plain =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    region.len() <= 63 && region.contains('-') && region.split('-').all(plain)
}

/// The endpoint that the SDK resolves. It is resolved at the start, so that an invalid one is
/// reported then, and not at the first call.
async fn endpoint(config: &SdkConfig, region: &str) -> Result<String, AwsError> {
    let bad = |why| AwsError::BadEndpoint("AWS_ENDPOINT_URL_CODEPIPELINE", why);
    let params = Params::builder()
        .region(region)
        .set_use_fips(config.use_fips())
        .set_use_dual_stack(config.use_dual_stack())
        .set_endpoint(configured_endpoint(config, "CodePipeline").map_err(bad)?)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    let resolved = DefaultResolver::new().resolve_endpoint(&params).await;
    Ok(resolved.map_err(|error| bad(error.to_string()))?.url().to_owned())
}

/// The same for S3, which the gateway never calls.
async fn presigner(config: &SdkConfig) -> Result<Presigner, AwsError> {
    let bad = |why| AwsError::BadEndpoint("AWS_ENDPOINT_URL_S3", why);
    let configured = configured_endpoint(config, "S3").map_err(bad)?;
    Presigner::new(config, configured).await.map_err(bad)
}

/// The endpoint in the configuration, if there is one: for this service alone, such as
/// AWS_ENDPOINT_URL_S3 or `s3` in a services section, or for all services.
fn configured_endpoint(config: &SdkConfig, service_id: &str) -> Result<Option<String>, String> {
    let key =
        ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let of_service = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
    let configured = of_service.or_else(|| config.endpoint_url().map(str::to_owned));
    if let Some(url) = &configured {
        // A URL with a password isn't shown.
        let shown = if url.contains('@') { String::new() } else { format!("{url:?}: ") };
        crate::util::url::parse(url).map_err(|why| format!("{shown}{why}"))?;
    }
    Ok(configured)
}
