//! `check`: what `serve` would run with, printed redacted. Makes no call to CodePipeline.

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::codepipeline::Aws;
use codepipeline_gateway::server::Tls;
use humantime::format_duration as time;

use super::aws::{credential_variables, environment, plaintext};
use super::listen::raise_file_limit;
use super::serve::{Serve, open_doors};
use super::{Stop, say};

/// Checks in the order of `serve`, and prints what it finds as it goes.
pub(super) async fn run(serve: Serve) -> Result<(), Stop> {
    let settings = serve.settings()?;
    let traces = serve.traces.config().map_err(Stop::Usage)?;
    say(format!("grpc address:        {}", serve.listen.grpc_addr))?;
    say(format!("tls:                 {}", settings.tls.as_ref().map_or("off".into(), Tls::describe)))?;
    say(format!("auth:                {}", settings.auth))?;
    say(format!("admin address:       {}", serve.listen.admin_addr))?;
    say(format!(
        "deadline:            {} by default, at most {}",
        time(settings.deadlines.default),
        time(settings.deadlines.max)
    ))?;
    say(format!("calls in flight:     at most {}", settings.max_in_flight))?;
    let (most, age) = (settings.max_connections, time(settings.max_connection_age));
    say(format!("connections:         at most {most}, for {age} each"))?;
    say(format!(
        "shutdown:            {} of delay, then {} to drain",
        time(settings.shutdown_delay),
        time(settings.drain_timeout)
    ))?;
    say(format!("reflection:          {}", if settings.reflection { "on" } else { "off" }))?;
    say(format!("traces:              {}", traces.shown))?;
    let aws = settings.aws;
    say(format!(
        "attempts at AWS:     at most {}, {} each, {} of it to connect",
        aws.max_attempts,
        time(aws.attempt_timeout),
        time(aws.connect_timeout)
    ))?;
    let aws = Aws::load(environment()).await.map_err(|error| Stop::Usage(error.to_string()))?;
    raise_file_limit(&settings)?;
    say(format!("AWS region:          {}", aws.region()))?;
    say(format!("AWS endpoint:        {}", aws.endpoint()))?;
    if let Auth::Jwt(jwt) = &settings.auth {
        let found = jwt.describe_keys().await;
        let found = found.map_err(|why| Stop::Failed(format!("no keys for bearer tokens: {why}")))?;
        say(format!("keys of the issuer:  {found}"))?;
    }
    say(format!("AWS variables:       {}", credential_variables()))?;
    let found = aws.describe_credentials().await;
    let found = found.map_err(|reason| Stop::Failed(format!("no AWS credentials: {reason}")))?;
    say(format!("AWS credentials:     {found}"))?;
    let doors = open_doors(&settings).into_iter().chain(plaintext(&aws));
    let warnings = serve.warnings().chain(doors).map(str::to_owned);
    for warning in warnings.chain(traces.warnings) {
        say(format!("warning:             {warning}"))?;
    }
    say("The configuration is good.")
}
