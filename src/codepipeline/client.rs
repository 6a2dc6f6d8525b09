//! The AWS SDK's orchestrator with runtime plugins of our own, which are put together once at the
//! start.
//!
//! The generated client merges nine plugins, evaluates the endpoint rules, and builds interceptors
//! and retry classifiers on every call; that is half of a call's cost. Here, the SDK's serializer,
//! deserializer, SigV4 signer, and error types stay, and everything that is the same for each call
//! is prepared. `tests/gateway/sdk_request.rs` compares the requests of both on the wire.

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_json::protocol::aws_json_rpc::AwsJsonRpcProtocol;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::orchestrator::{AuthSchemeAndEndpointOrchestrationV2, invoke};
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::identity::{ResolveIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{
    RuntimePlugin, RuntimePlugins, SharedRuntimePlugin, StaticRuntimePlugin,
};
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_schema::protocol::{
    ServiceShapeName, ServiceShapeNamespace, ServiceVersion, SharedClientProtocol,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer, Layer};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};

use super::AwsOperation;
use super::http::{Connector, Pool};
use super::request_setup::RequestSetup;
use super::transmit_probe::ProbeInterceptor;
use crate::methods::Method;
use crate::operations::{Acknowledge, Details, Failure, Poll, Success};

/// The service's names in the SDK's model.
const SHAPE_NAME: &str = "CodePipeline_20150709";
const NAMESPACE: &str = "com.amazonaws.codepipeline";
const VERSION: &str = "2015-07-09";

/// An attempt's result, as the SDK's orchestrator reports it.
pub(super) type SdkResult<T> = Result<T, SdkError<Error, HttpResponse>>;

/// Where requests go and how they are made.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) endpoint: String,
    pub(super) region: Arc<str>,
    pub(super) user_agent: String,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
}

/// A client with the plugins of each operation.
#[derive(Debug)]
pub(super) struct Client(Vec<(&'static Method, RuntimePlugins)>);

impl Client {
    /// A client that signs with these credentials. Makes no call.
    pub(super) fn new(transport: &Transport, credentials: impl ResolveIdentity + 'static) -> Self {
        let shared = SharedRuntimePlugin::new(
            StaticRuntimePlugin::new()
                .with_config(config(transport))
                .with_runtime_components(components(transport, credentials)),
        );
        Self(vec![
            prepare::<Poll>(&shared),
            prepare::<Details>(&shared),
            prepare::<Acknowledge>(&shared),
            prepare::<Success>(&shared),
            prepare::<Failure>(&shared),
        ])
    }

    /// Makes one attempt.
    pub(super) async fn send<O: AwsOperation>(&self, operation: &O) -> SdkResult<O::SdkOutput> {
        #[expect(clippy::expect_used, reason = "proof: a unit test looks up every operation of the table")]
        let plugins = self.plugins(O::METHOD).expect("a prepared operation");
        let input = operation.input().map_err(SdkError::construction_failure)?;
        let output = invoke("CodePipeline", O::METHOD.name, Input::erase(input), plugins).await?;
        output.downcast().map_err(|_| SdkError::construction_failure("an output of another operation"))
    }

    fn plugins(&self, method: &Method) -> Option<&RuntimePlugins> {
        self.0.iter().find(|(prepared, _)| ptr::eq(*prepared, method)).map(|(_, plugins)| plugins)
    }
}

fn prepare<O: AwsOperation>(shared: &SharedRuntimePlugin) -> (&'static Method, RuntimePlugins) {
    let operation = O::Sdk::default().config().unwrap_or_else(|| Layer::new(O::METHOD.name).freeze());
    let plugins = RuntimePlugins::new()
        .with_client_plugin(shared.clone())
        .with_operation_plugin(StaticRuntimePlugin::new().with_config(operation));
    (O::METHOD, plugins)
}

/// Reads the body of a 2xx response as the SDK does in a call; none if the SDK can't read it.
pub(super) fn read_output<O: AwsOperation>(body: &[u8]) -> Option<O::Output> {
    let operation = O::Sdk::default().config()?;
    let deserializer = operation.load::<SharedResponseDeserializer>()?;
    let config = ConfigBag::of_layers(vec![protocol_config()]);
    let response = HttpResponse::new(StatusCode::try_from(200).ok()?, SdkBody::from(body));
    let output = deserializer.deserialize_nonstreaming_with_config(&response, &config).ok()?;
    output.downcast().ok().map(O::output)
}

/// The protocol, for the SDK's serializers and deserializers.
fn protocol_config() -> Layer {
    let protocol = AwsJsonRpcProtocol::aws_json_1_1().with_default_namespace(NAMESPACE);
    let mut config = Layer::new("codepipeline-gateway");
    config.store_put(ServiceShapeName::new(SHAPE_NAME));
    config.store_put(ServiceShapeNamespace::new(NAMESPACE));
    config.store_put(ServiceVersion::new(VERSION));
    config.store_put(SharedClientProtocol::new(protocol));
    config
}

/// What the SDK's parts look up in the configuration. A missing entry shows at the first call, not
/// at compile time.
fn config(transport: &Transport) -> FrozenLayer {
    let region = Region::new(transport.region.to_string());
    let mut config = protocol_config();
    config.store_put(AuthSchemeAndEndpointOrchestrationV2);
    config.store_put(SigningRegion::from(region));
    config.store_put(SigningName::from_static("codepipeline"));
    // `attempt` and `retry` keep the time and count the attempts.
    config.store_put(TimeoutConfig::disabled());
    config.store_put(RetryConfig::disabled());
    config.freeze()
}

fn components(
    transport: &Transport,
    credentials: impl ResolveIdentity + 'static,
) -> RuntimeComponentsBuilder {
    // Permanent, so that the SDK doesn't search its configuration for a switch at each hook.
    let interceptors = [
        SharedInterceptor::permanent(ServiceClockSkewInterceptor::new()),
        SharedInterceptor::permanent(ProbeInterceptor),
        SharedInterceptor::permanent(RequestSetup { user_agent: transport.user_agent.clone() }),
    ];
    RuntimeComponentsBuilder::new("codepipeline-gateway")
        .with_http_client(Some(http_client(transport)))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(transport.endpoint.clone())))
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        // The credential cache is always fresh; the SDK's would keep credentials that AWS has
        // called expired.
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials))
        .with_interceptors(interceptors.into_iter())
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .with_time_source(Some(SystemTimeSource::new()))
        .with_sleep_impl(Some(TokioSleep::new()))
}

/// The HTTP client. Its connections are shared by all operations.
fn http_client(transport: &Transport) -> SharedHttpClient {
    #[expect(
        clippy::expect_used,
        reason = "proof: `Aws::load` checks that the endpoint is a URL with a host"
    )]
    let connector = Connector::new(&transport.endpoint, transport.connect_timeout).expect("an endpoint");
    let pool = SharedHttpConnector::new(Pool::new(connector, transport.idle_timeout));
    http_client_fn(move |_, _| pool.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codepipeline::credentials::{CachedIdentity, CredentialCache};

    #[test]
    fn every_operation_is_prepared() {
        let transport = Transport {
            endpoint: "http://127.0.0.1:1".into(),
            region: "eu-west-1".into(),
            user_agent: "test".into(),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
        };
        let client = Client::new(&transport, CachedIdentity(CredentialCache::empty()));
        for method in Method::operations() {
            assert!(client.plugins(method).is_some(), "{}", method.name);
        }
    }
}
