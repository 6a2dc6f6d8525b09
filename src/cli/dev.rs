//! The subcommand `dev`: runs a gateway and a CodePipeline simulator on loopback, and prints
//! grpcurl lines with a job for each interesting outcome.

use std::net::SocketAddr;

use codepipeline_gateway::auth::Auth;
use codepipeline_gateway::codepipeline::{Aws, FakeKeys, Source};
use codepipeline_gateway::gateway::Listeners;
use codepipeline_gateway::methods::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};
use codepipeline_gateway::operations::ArtifactCredentials;
use codepipeline_gateway::server::Shutdown;
use codepipeline_simulator::{AccessKey, ActionType, AnswerFault, Artifact, CallMoment, Config, Fault, Job};

use super::bind::bind;
use super::health::until_serving;
use super::output::{CliError, print_line};
use super::serve::{Signals, gateway, start_logs};
use super::simulator;
use crate::config::{LimitArgs, Logs, address};

/// The count of a fault that never ends, so that each line gives the same result every time.
const ALWAYS: u32 = u32::MAX;

/// The flags of `dev`.
#[derive(clap::Args, Debug)]
pub(super) struct Dev {
    /// Where the gateway's gRPC listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = address)]
    grpc_addr: SocketAddr,
    /// Where the gateway's plain HTTP side listens: /livez, /readyz, /metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090", value_parser = address)]
    admin_addr: SocketAddr,
    /// Where the simulator listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4599", value_parser = address)]
    simulator_addr: SocketAddr,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    logs: Logs,
}

/// A grpcurl line.
struct DemoCall {
    title: &'static str,
    result: &'static str,
    job: &'static str,
    nonce: &'static str,
    token: &'static str,
    options: &'static str,
}

const fn demo_call(title: &'static str, result: &'static str, job: &'static str) -> DemoCall {
    DemoCall { title, result, job, nonce: "nonce-1", token: "token-1", options: "" }
}

/// The calls in the order of the output. The second one needs the first.
const DEMO_CALLS: [DemoCall; 11] = [
    demo_call("take a job", "OK", "job-1"),
    demo_call("take it again: somebody was first", "FAILED_PRECONDITION INVALID_NONCE", "job-1"),
    demo_call("a job that isn't there", "NOT_FOUND JOB_NOT_FOUND", "job-0"),
    DemoCall {
        token: "token-9",
        ..demo_call("a token that isn't the job's", "PERMISSION_DENIED INVALID_CLIENT_TOKEN", "job-2")
    },
    DemoCall {
        nonce: "",
        token: "",
        ..demo_call("fields left empty, all named at once", "INVALID_ARGUMENT INVALID_REQUEST", "job-2")
    },
    DemoCall {
        options: "-emit-defaults ",
        ..demo_call(
            "AWS answers with a status from the future, here JOB_STATUS_UNSPECIFIED",
            "OK",
            "job-future-status",
        )
    },
    demo_call("AWS throttles, three times over", "RESOURCE_EXHAUSTED AWS_THROTTLED", "job-throttled"),
    demo_call("AWS fails inside: nobody can know", "UNKNOWN AWS_UNAVAILABLE", "job-broken"),
    demo_call("AWS took it, and the answer got lost", "UNKNOWN AWS_CONNECTION_LOST", "job-lost-answer"),
    DemoCall {
        options: "-max-time 5 ",
        ..demo_call(
            "AWS is slow and the caller's time is up",
            "DEADLINE_EXCEEDED DEADLINE_EXCEEDED",
            "job-slow",
        )
    },
    demo_call("AWS denies the gateway's role", "INTERNAL GATEWAY_ACCESS_DENIED", "job-denied"),
];

/// The calls that take one job to its success and another to its failure, in this order: title,
/// result, method, and request.
const WHOLE_JOB: [(&str, &str, &Method, &str); 7] = [
    (
        "a whole job, first the poll for jobs of an action type",
        "OK",
        &POLL,
        concat!(
            r#"{"action_type_id":{"category":"Deploy","owner":"ThirdParty","provider":"Demo","#,
            r#""version":"1"},"max_batch_size":2}"#
        ),
    ),
    ("its details, with the nonce", "OK", &DETAILS, r#"{"job_id":"job-whole","client_token":"token-whole"}"#),
    (
        "acknowledge it",
        "OK",
        &ACKNOWLEDGE,
        r#"{"job_id":"job-whole","nonce":"nonce-whole","client_token":"token-whole"}"#,
    ),
    (
        "report its success",
        "OK",
        &SUCCESS,
        r#"{"job_id":"job-whole","client_token":"token-whole","execution_details":{"summary":"deployed"}}"#,
    ),
    (
        "report a second result of the same job",
        "FAILED_PRECONDITION INVALID_JOB_STATE",
        &FAILURE,
        concat!(
            r#"{"job_id":"job-whole","client_token":"token-whole","failure_details":"#,
            r#"{"type":"FAILURE_TYPE_JOB_FAILED","message":"too late"}}"#
        ),
    ),
    (
        "acknowledge the other job of the poll",
        "OK",
        &ACKNOWLEDGE,
        r#"{"job_id":"job-failing","nonce":"nonce-failing","client_token":"token-failing"}"#,
    ),
    (
        "report its failure",
        "OK",
        &FAILURE,
        concat!(
            r#"{"job_id":"job-failing","client_token":"token-failing","failure_details":"#,
            r#"{"type":"FAILURE_TYPE_JOB_FAILED","message":"a check failed"}}"#
        ),
    ),
];

impl Dev {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut settings = self.limits.settings(None, Auth::None).map_err(CliError::Usage)?;
        // The simulator's credentials give access to nothing.
        settings.policy.artifact_credentials = ArtifactCredentials::Include;
        let _log = start_logs(&self.logs)?;
        let (signals, shutdown) = (Signals::listen()?, Shutdown::new());
        let simulator = simulator::start(
            bind(self.simulator_addr, "--simulator-addr").await?,
            Config::default(),
            jobs(),
        )?;
        let listeners = Listeners {
            grpc: bind(self.grpc_addr, "--grpc-addr").await?,
            admin: bind(self.admin_addr, "--admin-addr").await?,
        };
        let aws = Aws::load(source(simulator.endpoint_url())).await.map_err(CliError::failed)?;
        let address = listeners.grpc.local_addr().map_err(CliError::failed)?;
        let admin = listeners.admin.local_addr().map_err(CliError::failed)?;
        // The lines follow when the gateway serves, because a script can run them immediately.
        let print = async {
            until_serving(address).await?;
            print_line(format!(
                "Gateway on {address}, its probes and metrics on http://{admin}, \
                 CodePipeline simulator on {}. Ctrl-C ends all. Try:",
                simulator.addr()
            ))?;
            print_demo_calls(address)?;
            std::future::pending().await
        };
        let work = async {
            tokio::select! {
                result = gateway(listeners, aws, settings, shutdown.clone()) => result,
                failed = print => failed,
            }
        };
        let result = signals.forward(&shutdown, work).await;
        simulator.stop().await;
        result
    }
}

fn source(endpoint_url: String) -> Source {
    let AccessKey { access_key_id, secret_access_key, session_token, expired: _ } = AccessKey::fake();
    let keys = FakeKeys { access_key_id, secret_access_key, session_token };
    Source::Fixed { region: "eu-west-1".into(), endpoint_url, keys: Some(keys) }
}

fn jobs() -> Vec<Job> {
    let job = |id| Job::new(id, "nonce-1", "token-1");
    let failing = |id, fault| job(id).with_fault(ALWAYS, fault);
    vec![
        whole_job("whole"),
        whole_job("failing"),
        job("job-1"),
        job("job-2"),
        failing(
            "job-future-status",
            Fault::Answer(AnswerFault { body: r#"{"status":"Paused"}"#.into(), ..AnswerFault::default() }),
        ),
        failing("job-throttled", Fault::error("ThrottlingException")),
        failing("job-broken", Fault::status(503)),
        failing("job-lost-answer", Fault::Reset { when: CallMoment::AfterProcessing }),
        failing("job-slow", Fault::Hang { process: false }),
        failing("job-denied", Fault::error("AccessDeniedException")),
    ]
}

/// A job that waits for a poll, with what a worker needs. Its credentials would be new in each
/// response, so it has none.
fn whole_job(name: &str) -> Job {
    let [id, nonce, token] = ["job", "nonce", "token"].map(|kind| format!("{kind}-{name}"));
    let job = Job::queued(id, nonce, token)
        .with_action_type(ActionType::third_party("Deploy", "Demo", "1"))
        .with_configuration("Environment", "staging");
    let input = Artifact::new("app", "demo-artifacts", format!("{name}/app.zip"));
    Job { input_artifacts: vec![input], artifact_credentials: false, ..job }
}

fn print_demo_calls(address: SocketAddr) -> Result<(), CliError> {
    print_line("")?;
    print_line("  # what there is: OK")?;
    print_line(format!("  grpcurl -plaintext {address} list"))?;
    print_line("  # the call, its fields and its errors, described: OK")?;
    print_line(format!("  grpcurl -plaintext {address} describe {}", ACKNOWLEDGE.service))?;
    print_line("  # is it healthy: OK")?;
    print_line(format!("  grpcurl -plaintext {address} grpc.health.v1.Health/Check"))?;
    for DemoCall { title, result, job, nonce, token, options } in &DEMO_CALLS {
        let request = format!(r#"{{"job_id":"{job}","nonce":"{nonce}","client_token":"{token}"}}"#);
        print_call(address, (title, result), &ACKNOWLEDGE, options, &request)?;
    }
    for (title, result, method, request) in WHOLE_JOB {
        print_call(address, (title, result), method, "", request)?;
    }
    print_line("")
}

fn print_call(
    address: SocketAddr,
    (title, result): (&str, &str),
    method: &Method,
    options: &str,
    request: &str,
) -> Result<(), CliError> {
    print_line(format!("  # {title}: {result}"))?;
    let name = method.full_name().unwrap_or_default();
    print_line(format!("  grpcurl -plaintext {options}-d '{request}' {address} {name}"))
}
