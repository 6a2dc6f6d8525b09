//! The subcommand `check`: prints the redacted configuration of `serve`. Makes no call to
//! CodePipeline.

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::codepipeline::{Aws, describe_credentials};
use codepipeline_gateway::gateway::Settings;
use codepipeline_gateway::operations::ArtifactCredentials;
use codepipeline_gateway::server::Tls;
use humantime::format_duration as time;

use super::aws_env::{aws_warnings, credential_variables, environment};
use super::bind::raise_file_limit;
use super::output::{CliError, print_line};
use super::serve::{Serve, security_warnings};
use crate::config::TraceConfig;

/// Checks in the order of `serve`, and prints each result immediately.
pub(super) async fn run(serve: Serve) -> Result<(), CliError> {
    let settings = serve.settings()?;
    let traces = serve.traces.config().map_err(CliError::Usage)?;
    print_settings(&serve, &settings, &traces)?;
    let aws = Aws::load(environment()).await.map_err(|error| CliError::Usage(error.to_string()))?;
    raise_file_limit(&settings)?;
    print_line(format!("AWS region:          {}", aws.region()))?;
    print_line(format!("AWS endpoint:        {}", aws.endpoint()))?;
    print_line(format!("S3 endpoint:         {}", aws.s3_endpoint()))?;
    // Before anything is loaded: a wrong value can be the cause of a failure.
    let unprotected = security_warnings(&settings).into_iter().map(str::to_owned).chain(aws_warnings(&aws));
    let warnings: Vec<_> = serve.warnings().chain(unprotected).chain(traces.warnings).collect();
    for warning in &warnings {
        print_line(format!("warning:             {warning}"))?;
    }
    if let Auth::Jwt(jwt) = &settings.auth {
        let found = jwt.describe_keys().await;
        let found = found.map_err(|why| CliError::Failed(format!("no verification keys: {why}")))?;
        print_line(format!("verification keys:   {found}"))?;
    }
    print_line(format!("AWS variables:       {}", credential_variables()))?;
    let found = describe_credentials(&aws).await;
    let found = found.map_err(|reason| CliError::Failed(format!("no AWS credentials: {reason}")))?;
    print_line(format!("AWS credentials:     {found}"))?;
    print_line(match warnings.len() {
        0 => "The configuration is valid.".into(),
        1 => "The configuration is valid, with 1 warning.".into(),
        count => format!("The configuration is valid, with {count} warnings."),
    })
}

fn print_settings(serve: &Serve, settings: &Settings, traces: &TraceConfig) -> Result<(), CliError> {
    print_line(format!("grpc address:        {}", serve.listen.grpc_addr))?;
    print_line(format!(
        "tls:                 {}",
        settings.tls.as_ref().map_or("off".into(), Tls::describe)
    ))?;
    print_line(format!("auth:                {}", settings.auth))?;
    print_line(format!("operations:          {}", settings.operations))?;
    print_line(format!("action types:        {}", settings.policy.action_types))?;
    let included = settings.policy.artifact_credentials == ArtifactCredentials::Include;
    let credentials = if included { "included in job details" } else { "withheld" };
    print_line(format!("artifact keys:       {credentials}"))?;
    print_line(format!("admin address:       {}", serve.listen.admin_addr))?;
    print_line(format!(
        "deadline:            {} by default, at most {}",
        time(settings.deadlines.default),
        time(settings.deadlines.max)
    ))?;
    print_line(format!("calls in flight:     at most {}", settings.max_in_flight))?;
    let poll = settings.poll;
    print_line(format!(
        "waiting calls:       at most {}, a poll every {}",
        poll.max_waiters,
        time(poll.interval)
    ))?;
    let (most, age) = (settings.max_connections, time(settings.max_connection_age));
    print_line(format!("connections:         at most {most}, for {age} each"))?;
    print_line(format!(
        "shutdown:            {} of delay, then {} to drain",
        time(settings.shutdown_delay),
        time(settings.drain_timeout)
    ))?;
    print_line(format!("reflection:          {}", if settings.reflection { "on" } else { "off" }))?;
    print_line(format!("traces:              {}", traces.shown))?;
    let aws = settings.aws;
    print_line(format!(
        "attempts at AWS:     at most {}, {} each, {} of it to connect",
        aws.max_attempts,
        time(aws.attempt_timeout),
        time(aws.connect_timeout)
    ))
}
