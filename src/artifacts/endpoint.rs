//! Resolves S3's endpoint with the SDK's own rules.

use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::SdkConfig;

/// S3's endpoint for a request without a bucket. It shows at the start whether the configuration
/// has an endpoint.
///
/// # Errors
/// The rules have no endpoint for this configuration. The text is the SDK's own.
pub(super) async fn resolve(config: &SdkConfig, configured: Option<&str>) -> Result<String, String> {
    let params = Params::builder()
        .set_region(config.region().map(ToString::to_string))
        .set_use_fips(config.use_fips())
        .set_use_dual_stack(config.use_dual_stack())
        .set_endpoint(configured.map(str::to_owned))
        .build()
        .map_err(|error| error.to_string())?;
    let resolved = DefaultResolver::new().resolve_endpoint(&params).await;
    Ok(resolved.map_err(|error| error.to_string())?.url().to_owned())
}

/// The URL with a slash at its end. The rules put a bucket right behind the path, although their
/// specification says that this path ends with a slash.
pub(super) fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}
