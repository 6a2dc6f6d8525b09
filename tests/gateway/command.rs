//! The command as an operator meets it: the real binary, a clean environment, exit codes and what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use codepipeline_gateway::api::AcknowledgeThirdPartyJobRequest;
use codepipeline_gateway::api::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::{AccessKey, Config, Fault, Job, Simulator};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::harness::{Answer, Gateway, NONCE, TOKEN, fake_keys, loopback, request, settings};

/// How long a test waits for what has to come. Never how long it takes.
const PATIENCE: Duration = Duration::from_secs(60);

// ---------------------------------------------------------------------------------------------------------------------
// Running the command
// ---------------------------------------------------------------------------------------------------------------------

/// The command about to be run, with nothing of the test's own environment.
pub struct Invocation {
    command: Command,
    home: Scratch,
}

/// The command with these arguments, an empty `PATH` and an empty home.
pub fn command(args: &[&str]) -> Invocation {
    let home = Scratch::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_codepipeline-gateway"));
    command.args(args).env_clear().env("PATH", home.path()).env("HOME", home.path());
    command.env("AWS_EC2_METADATA_DISABLED", "true").current_dir(home.path());
    Invocation { command, home }
}

impl Invocation {
    pub fn with(mut self, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(variable, value);
        self
    }

    pub fn with_all(self, variables: &[(&str, &str)]) -> Self {
        variables.iter().fold(self, |command, (variable, value)| command.with(variable, value))
    }

    /// With a region and the key that the simulator knows.
    pub fn with_keys(self) -> Self {
        let AccessKey { access_key_id, secret_access_key, .. } = AccessKey::fake();
        self.with("AWS_REGION", "eu-west-1")
            .with("AWS_ACCESS_KEY_ID", access_key_id)
            .with("AWS_SECRET_ACCESS_KEY", secret_access_key)
    }

    pub fn start(mut self) -> Program {
        let pipes = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Program { child, out, err, _home: self.home }
    }

    pub async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// The command, running. Killed when the test is over.
pub struct Program {
    child: Child,
    pub out: Lines,
    pub err: Lines,
    _home: Scratch,
}

impl Program {
    /// Where `serve` listens, once it does.
    pub async fn address(&mut self) -> SocketAddr {
        let line = self.err.until(|line| line.contains("listening")).await;
        let rest =
            line.split_once("\"grpc\":\"").or_else(|| line.split_once("grpc=")).expect("the address").1;
        rest.split(['"', ' ']).next().unwrap().parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub async fn end(mut self) -> Ended {
        self.out.until_end().await;
        self.err.until_end().await;
        let code = self.child.wait().unwrap().code();
        Ended { code, out: self.out.seen.join("\n"), err: self.err.seen.join("\n") }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// It failed with this code and one line that has all of this in it.
    fn failed(&self, code: i32, names: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one line: {}", self.err);
        assert!(self.err.starts_with("codepipeline-gateway: "), "{}", self.err);
        for name in names {
            assert!(self.err.contains(name), "{name} isn't named: {}", self.err);
        }
    }
}

/// What comes out of a stream, line by line, and all that has come.
pub struct Lines {
    incoming: UnboundedReceiver<String>,
    pub seen: Vec<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, incoming) = unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { incoming, seen: Vec::new() }
    }

    async fn next(&mut self) -> Option<String> {
        let next = timeout(PATIENCE, self.incoming.recv()).await;
        let line = next.unwrap_or_else(|_| panic!("nothing more comes after {:#?}", self.seen))?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// The next line that is wanted.
    pub async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        while let Some(line) = self.next().await {
            if wanted(&line) {
                return line;
            }
        }
        panic!("it ended without the line: {:#?}", self.seen);
    }

    async fn until_end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// A folder of its own, gone with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("command-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a file there, whole from its first moment on.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let (draft, path) = (self.0.join("draft"), self.0.join(name));
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

pub async fn send(
    address: SocketAddr,
    request: impl tonic::IntoRequest<AcknowledgeThirdPartyJobRequest>,
) -> Answer {
    ThirdPartyJobServiceClient::new(channel(address)).acknowledge_third_party_job(request).await.into()
}

async fn watch_health(address: SocketAddr) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel(address)).watch(request).await.unwrap().into_inner()
}

async fn until_health(watch: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    let seen = async { while watch.message().await.unwrap().expect("a status").status() != wanted {} };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("the health never becomes {wanted:?}"));
}

pub async fn until_serving(address: SocketAddr) {
    until_health(&mut watch_health(address).await, ServingStatus::Serving).await;
}

async fn health(address: SocketAddr) -> ServingStatus {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel(address)).check(request).await.unwrap().into_inner().status()
}

/// `serve` in front of a simulator, healthy.
async fn serve(simulator: &Simulator, args: &[&str]) -> (Program, SocketAddr) {
    let args = [&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"], args].concat();
    let endpoint = simulator.endpoint_url();
    let mut program = command(&args).with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint).start();
    let address = program.address().await;
    until_serving(address).await;
    (program, address)
}

async fn simulator_with(jobs: &[&str]) -> Simulator {
    let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
    for id in jobs {
        simulator.add_job(Job::new(*id, NONCE, TOKEN));
    }
    simulator
}

// ---------------------------------------------------------------------------------------------------------------------
// Bad usage and configuration
// ---------------------------------------------------------------------------------------------------------------------

const BAD_VALUES: [(&str, &str, &str); 29] = [
    ("--grpc-addr", "GATEWAY_GRPC_ADDR", "localhost:50051"),
    ("--grpc-addr", "GATEWAY_GRPC_ADDR", "127.0.0.1"),
    ("--grpc-addr", "GATEWAY_GRPC_ADDR", "127.0.0.1:65536"),
    ("--grpc-addr", "GATEWAY_GRPC_ADDR", ""),
    ("--default-deadline", "GATEWAY_DEFAULT_DEADLINE", "soon"),
    ("--default-deadline", "GATEWAY_DEFAULT_DEADLINE", "10"),
    ("--default-deadline", "GATEWAY_DEFAULT_DEADLINE", "0s"),
    ("--max-deadline", "GATEWAY_MAX_DEADLINE", "-1s"),
    ("--max-deadline", "GATEWAY_MAX_DEADLINE", "0ms"),
    ("--max-deadline", "GATEWAY_MAX_DEADLINE", "18446744073709551615s"),
    ("--max-deadline", "GATEWAY_MAX_DEADLINE", "99999999999999999999s"),
    ("--max-in-flight", "GATEWAY_MAX_IN_FLIGHT", "0"),
    ("--max-in-flight", "GATEWAY_MAX_IN_FLIGHT", "many"),
    ("--max-in-flight", "GATEWAY_MAX_IN_FLIGHT", ""),
    ("--shutdown-delay", "GATEWAY_SHUTDOWN_DELAY", "5"),
    ("--drain-timeout", "GATEWAY_DRAIN_TIMEOUT", "5 sheep"),
    ("--reflection", "GATEWAY_REFLECTION", "yes"),
    ("--reflection", "GATEWAY_REFLECTION", ""),
    ("--aws-attempt-timeout", "GATEWAY_AWS_ATTEMPT_TIMEOUT", "0s"),
    ("--aws-connect-timeout", "GATEWAY_AWS_CONNECT_TIMEOUT", "0s"),
    ("--aws-connect-timeout", "GATEWAY_AWS_CONNECT_TIMEOUT", "1s\n2"),
    ("--aws-max-attempts", "GATEWAY_AWS_MAX_ATTEMPTS", "0"),
    ("--aws-max-attempts", "GATEWAY_AWS_MAX_ATTEMPTS", "4294967296"),
    ("--log-format", "GATEWAY_LOG_FORMAT", "xml"),
    ("--log-format", "GATEWAY_LOG_FORMAT", ""),
    ("--log-level", "GATEWAY_LOG_LEVEL", ""),
    // Taken for a target it would silence the log.
    ("--log-level", "GATEWAY_LOG_LEVEL", "inof"),
    ("--log-level", "GATEWAY_LOG_LEVEL", "info,codepipeline_gateway=loud"),
    ("--log-level", "GATEWAY_LOG_LEVEL", "info,[\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_gives_64_and_one_line_that_names_its_flag_and_its_variable() {
    for (flag, variable, value) in BAD_VALUES {
        for subcommand in ["serve", "check"] {
            let by_flag = command(&[subcommand, &format!("{flag}={value}")]).with_keys().run().await;
            by_flag.failed(64, &[flag, variable]);
            let by_variable = command(&[subcommand]).with_keys().with(variable, value).run().await;
            by_variable.failed(64, &[flag, variable]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_contradict_each_other_give_64_and_one_line_that_names_both() {
    let deadlines =
        ["--default-deadline", "GATEWAY_DEFAULT_DEADLINE", "--max-deadline", "GATEWAY_MAX_DEADLINE"];
    let timeouts = [
        "--aws-connect-timeout",
        "GATEWAY_AWS_CONNECT_TIMEOUT",
        "--aws-attempt-timeout",
        "GATEWAY_AWS_ATTEMPT_TIMEOUT",
    ];
    for names in [deadlines, timeouts] {
        for subcommand in ["serve", "check"] {
            let by_flag = command(&[subcommand, names[0], "4s", names[2], "3s"]).with_keys().run().await;
            by_flag.failed(64, &names);
            let by_variable = command(&[subcommand]).with_keys().with(names[1], "4s").with(names[3], "3s");
            by_variable.run().await.failed(64, &names);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_gives_64_and_one_line() {
    let rows: [(&[&str], &str); 9] = [
        (&[], "serve"),
        (&["server"], "server"),
        (&["serve", "--grpc-port", "1"], "--grpc-port"),
        (&["check", "--grpc-port"], "--grpc-port"),
        (&["serve", "now"], "now"),
        (&["serve", "--grpc-addr"], "--grpc-addr (GATEWAY_GRPC_ADDR)"),
        (&["--serve"], "--serve"),
        (&["health", "--timeout", "soon"], "--timeout"),
        (&["simulator", "--addr", "here"], "--addr"),
    ];
    for (args, named) in rows {
        let ended = command(args).with_keys().run().await;
        ended.failed(64, &[named]);
        assert_eq!(ended.out, "", "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_region_or_one_that_is_none_gives_64_and_one_line_that_names_the_variable() {
    for subcommand in ["serve", "check"] {
        command(&[subcommand]).run().await.failed(64, &["AWS_REGION"]);
        for region in ["eu west 1", "EU", "https://x", "", "eu-west-1.example.com/", "-"] {
            command(&[subcommand])
                .with_keys()
                .with("AWS_REGION", region)
                .run()
                .await
                .failed(64, &["AWS_REGION"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_gives_64_and_one_line_that_names_the_variable() {
    for subcommand in ["serve", "check"] {
        for variable in ["AWS_ENDPOINT_URL_CODEPIPELINE", "AWS_ENDPOINT_URL"] {
            for url in ["localhost:4599", "ftp://x", "http://", "not a url", "http://localhost:port"] {
                command(&[subcommand]).with_keys().with(variable, url).run().await.failed(64, &[variable]);
            }
            let fips = command(&[subcommand]).with_keys().with("AWS_USE_FIPS_ENDPOINT", "true");
            let both = fips.with(variable, "http://127.0.0.1:9").run().await;
            both.failed(64, &[variable, "FIPS"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_gives_1_and_one_line_that_names_the_flag_the_variable_and_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve =
        command(&["serve", "--grpc-addr", &address, "--admin-addr=127.0.0.1:0"]).with_keys().run().await;
    serve.failed(1, &["--grpc-addr", "GATEWAY_GRPC_ADDR", &address]);
    command(&["simulator", "--addr", &address]).run().await.failed(1, &["--addr", &address]);
    let dev = command(&["dev", "--grpc-addr", &address, "--simulator-addr", "127.0.0.1:0"]).run().await;
    dev.failed(1, &["--grpc-addr", &address]);
    let dev = command(&[
        "dev",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--simulator-addr",
        &address,
    ])
    .run()
    .await;
    dev.failed(1, &["--simulator-addr", &address]);
}

// ---------------------------------------------------------------------------------------------------------------------
// check
// ---------------------------------------------------------------------------------------------------------------------

const KEY: &str = "AKIAQ7W3PLAINLYFAKE9";
const SECRET: &str = "plainly-fake-secret-4f1b";
const SESSION: &str = "plainly-fake-session-8c2d";

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_what_serve_would_run_with_and_connects_to_nothing() {
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    endpoint.set_nonblocking(true).unwrap();
    let url = format!("http://{}", endpoint.local_addr().unwrap());
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", SESSION),
    ];
    let ended = command(&["check"]).with_all(&variables).run().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for shown in ["eu-west-1", &url, "****AKE9", "[::]:50051", "10s", "30s", "1024"] {
        assert!(ended.out.contains(shown), "{shown}: {}", ended.out);
    }
    for hidden in [SECRET, SESSION, &KEY[..16]] {
        assert!(!ended.out.contains(hidden), "{hidden}: {}", ended.out);
    }
    assert_eq!(endpoint.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "it connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_the_shared_files_and_the_profile() {
    let files = Scratch::new();
    let config = files.file("config", "[profile ci]\nregion = eu-central-1\n");
    let keys = format!(
        "[other]\naws_access_key_id = x\n[ci]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    );
    let keys = files.file("credentials", &keys);
    let check = command(&["check"]).with("AWS_CONFIG_FILE", config).with("AWS_SHARED_CREDENTIALS_FILE", keys);
    let ended = check.with("AWS_PROFILE", "ci").run().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for shown in ["eu-central-1", "https://codepipeline.eu-central-1.amazonaws.com", "****AKE9"] {
        assert!(ended.out.contains(shown), "{shown}: {}", ended.out);
    }
    assert!(!ended.out.contains(SECRET) && !ended.out.contains(KEY), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_without_credentials_gives_1_and_says_so() {
    let ended = command(&["check"]).with("AWS_REGION", "eu-west-1").run().await;
    ended.failed(1, &["no AWS credentials"]);
    assert!(ended.out.contains("eu-west-1"), "{}", ended.out);
    let half = command(&["check"]).with("AWS_REGION", "eu-west-1").with("AWS_ACCESS_KEY_ID", KEY).run().await;
    half.failed(1, &["no AWS credentials"]);
    assert!(!half.err.contains(KEY), "{}", half.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_shows_the_endpoint_that_fips_and_dualstack_resolve_to() {
    let rows: [(&[&str], &str); 4] = [
        (&[], "https://codepipeline.us-east-1.amazonaws.com"),
        (&["AWS_USE_FIPS_ENDPOINT"], "https://codepipeline-fips.us-east-1.amazonaws.com"),
        (&["AWS_USE_DUALSTACK_ENDPOINT"], "https://codepipeline.us-east-1.api.aws"),
        (
            &["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"],
            "https://codepipeline-fips.us-east-1.api.aws",
        ),
    ];
    for (variables, endpoint) in rows {
        let check = command(&["check"]).with_keys().with("AWS_REGION", "us-east-1");
        let ended = variables.iter().fold(check, |check, variable| check.with(variable, "true")).run().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.lines().any(|line| line.ends_with(endpoint)), "{endpoint}: {}", ended.out);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// serve
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn serve_acknowledges_a_job_and_either_signal_ends_it_with_0() {
    for signal in ["TERM", "INT"] {
        let simulator = simulator_with(&["job"]).await;
        let (mut program, address) = serve(&simulator, &["--shutdown-delay", "0s"]).await;
        assert_eq!(send(address, request("job")).await.ok().aws_status, "InProgress");
        assert_eq!(simulator.acknowledged("job"), 1);
        let line = program.err.until(|line| line.contains("AcknowledgeThirdPartyJob")).await;
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["code"], &line["job_id"]), (&"OK".into(), &"job".into()), "{line}");
        program.signal(signal);
        let ended = program.end().await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{signal}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_although_a_call_hangs() {
    let simulator = simulator_with(&["job"]).await;
    simulator.fault_job("job", Fault::Hang { process: false });
    let long = ["--shutdown-delay=0s", "--drain-timeout=1h", "--default-deadline=1h", "--max-deadline=1h"];
    let (mut program, address) =
        serve(&simulator, &[&long[..], &["--aws-attempt-timeout=1h"]].concat()).await;
    let hanging = tokio::spawn(send(address, request("job")));
    simulator.wait_for_requests(1).await;
    program.signal("TERM");
    program.err.until(|line| line.contains("draining")).await;
    program.signal("TERM");
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_ne!(hanging.await.unwrap().code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_shutdown_delay_it_is_not_serving_and_still_accepts() {
    let simulator = simulator_with(&["early", "late"]).await;
    let (program, address) = serve(&simulator, &["--shutdown-delay", "1h"]).await;
    send(address, request("early")).await.ok();
    let mut watch = watch_health(address).await;
    program.signal("TERM");
    until_health(&mut watch, ServingStatus::NotServing).await;
    // Each of these makes a connection of its own.
    assert_eq!(health(address).await, ServingStatus::NotServing);
    send(address, request("late")).await.ok();
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_delay_ends_by_itself_and_not_before_its_time() {
    let simulator = simulator_with(&[]).await;
    let (program, _) = serve(&simulator, &["--shutdown-delay", "700ms"]).await;
    let told = Instant::now();
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
    assert!(told.elapsed() >= Duration::from_millis(700), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_retry_variables_are_warned_of_and_ignored() {
    for (variable, value) in
        [("AWS_MAX_ATTEMPTS", "several"), ("AWS_RETRY_MODE", "nonsense"), ("AWS_MAX_ATTEMPTS", "1")]
    {
        let simulator = simulator_with(&["job"]).await;
        simulator.fault_job("job", Fault::error("ThrottlingException"));
        let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
            .with_keys()
            .with(variable, value);
        let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
        let warning = program.err.until(|line| line.contains(variable)).await;
        assert!(warning.contains("WARN") && warning.contains("ignored"), "{warning}");
        let address = program.address().await;
        until_serving(address).await;
        // The gateway's own loop repeats what was throttled.
        send(address, request("job")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_starts_says_why_and_serves_once_they_are_there() {
    let files = Scratch::new();
    let simulator = simulator_with(&["job"]).await;
    let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
        .with("AWS_REGION", "eu-west-1");
    let serve = serve.with("AWS_SHARED_CREDENTIALS_FILE", files.path().join("credentials"));
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let address = program.address().await;
    let warning = program.err.until(|line| line.contains("can't load AWS credentials")).await;
    assert!(warning.contains("WARN"), "{warning}");

    let mut watch = watch_health(address).await;
    until_health(&mut watch, ServingStatus::NotServing).await;
    command(&["health", "--addr", &address.to_string()]).run().await.failed(1, &["NOT_SERVING"]);
    let refused = send(address, request("job")).await;
    assert_eq!(
        (refused.code(), refused.reason().as_str()),
        (Code::Unavailable, "GATEWAY_CREDENTIALS_UNAVAILABLE")
    );
    assert!(simulator.requests().is_empty());

    let AccessKey { access_key_id, secret_access_key, .. } = AccessKey::fake();
    let keys = format!(
        "[default]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n"
    );
    files.file("credentials", &keys);
    until_health(&mut watch, ServingStatus::Serving).await;
    send(address, request("job")).await.ok();
}

// ---------------------------------------------------------------------------------------------------------------------
// health
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_by_its_exit_code_whether_a_gateway_serves() {
    let simulator = simulator_with(&[]).await;
    let gateway = Gateway::start(simulator.endpoint_url(), settings(), Some(fake_keys())).await;
    let ended = command(&["health", "--addr", &gateway.address.to_string()]).run().await;
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "SERVING", ""));

    let nobody = loopback().await.local_addr().unwrap().to_string();
    command(&["health", "--addr", &nobody]).run().await.failed(1, &[&nobody]);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap().to_string(), silent);
    let asked = Instant::now();
    command(&["health", "--addr", &silent.0, "--timeout", "300ms"]).run().await.failed(1, &[&silent.0]);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());

    for bad in [
        "",
        "localhost",
        "http://localhost:50051",
        "localhost:50051/x",
        "local host:1",
        ":50051",
        "me@localhost:1",
        "localhost:1?x",
        "localhost:port",
    ] {
        command(&["health", "--addr", bad]).run().await.failed(64, &["--addr"]);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// simulator and dev
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_job_file_that_can_not_be_used_gives_64_and_one_line_with_its_name() {
    let files = Scratch::new();
    let job = r#"{"id":"a","nonce":"n","client_token":"t"}"#;
    let texts = [
        ("empty.json", String::new()),
        ("cut.json", r#"{"jobs":["#.to_owned()),
        ("twice.json", format!(r#"{{"jobs":[{job},{job}]}}"#)),
        ("misspelt.json", r#"{"jobs":[{"id":"a","nonse":"n","client_token":"t"}]}"#.to_owned()),
        ("empty-id.json", format!(r#"{{"jobs":[{}]}}"#, job.replace(r#""a""#, r#""""#))),
    ];
    for (name, text) in texts {
        let path = files.file(name, &text);
        command(&["simulator", "--jobs", path.to_str().unwrap()]).run().await.failed(64, &["--jobs", name]);
    }
    let missing = files.path().join("missing.json");
    command(&["simulator", "--jobs", missing.to_str().unwrap()])
        .run()
        .await
        .failed(64, &["--jobs", "missing.json"]);
    command(&["simulator", "--jobs", files.path().to_str().unwrap()]).run().await.failed(64, &["--jobs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_file_can_be_acknowledged_at_the_address_that_is_printed() {
    let files = Scratch::new();
    let job = format!(r#"{{"id":"job","nonce":"{NONCE}","client_token":"{TOKEN}"}}"#);
    let path = files.file("jobs.json", &format!(r#"{{"jobs":[{job}],"second_acknowledge":"status"}}"#));
    let mut program = command(&["simulator", "--addr=127.0.0.1:0", "--jobs", path.to_str().unwrap()]).start();
    let line = program.out.until(|line| line.contains("AWS_ENDPOINT_URL_CODEPIPELINE=")).await;
    let endpoint = line.split_once("AWS_ENDPOINT_URL_CODEPIPELINE=").unwrap().1.split(' ').next().unwrap();
    let gateway = Gateway::start(endpoint.to_owned(), settings(), Some(fake_keys())).await;
    for _ in 0..2 {
        assert_eq!(gateway.send(request("job")).await.ok().aws_status, "InProgress");
    }
    program.signal("TERM");
    assert_eq!(program.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_dev_prints_does_what_it_says() {
    let mut program = command(&[
        "dev",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--simulator-addr=127.0.0.1:0",
    ])
    .start();
    let first = program.out.until(|_| true).await;
    let mut addresses =
        first.split([' ', ',']).filter_map(|word| word.trim_end_matches('.').parse::<SocketAddr>().ok());
    let (gateway, simulator) =
        (addresses.next().expect("the gateway's"), addresses.next().expect("the simulator's"));
    program.out.until(str::is_empty).await;
    program.out.until(str::is_empty).await;

    until_serving(gateway).await;
    assert!(get(simulator, "/_simulator/jobs").starts_with("HTTP/1.1 200"));
    let lines: Vec<&str> = program.out.seen.iter().map(|line| line.trim()).collect();
    let mut tried = 0;
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("# ")) {
        let (says, line) = (pair[0], pair[1]);
        assert!(line.starts_with("grpcurl -plaintext ") && line.contains(&gateway.to_string()), "{line}");
        let Some((options, rest)) = line.split_once("-d '") else {
            continue;
        };
        let json: Value = serde_json::from_str(rest.split_once('\'').unwrap().0).unwrap();
        let field = |name: &str| json[name].as_str().unwrap().to_owned();
        let (job_id, nonce, client_token) = (field("job_id"), field("nonce"), field("client_token"));
        let mut request = Request::new(AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token });
        if let Some((_, seconds)) = options.split_once("-max-time ") {
            request.set_timeout(Duration::from_secs(seconds.trim().parse().unwrap()));
        }
        let answer = send(gateway, request).await;
        let got = match &answer.result {
            Ok(_) => "OK".to_owned(),
            Err(status) => format!("{} {}", screaming(status.code()), answer.reason()),
        };
        assert!(says.ends_with(&format!(": {got}")), "{says}\n{line}\n{answer:?}");
        tried += 1;
    }
    assert!(tried >= 10, "{lines:#?}");
    program.signal("INT");
    program.signal("INT");
    assert_eq!(program.end().await.code, Some(0));
}

/// `FailedPrecondition` → `FAILED_PRECONDITION`.
fn screaming(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

// ---------------------------------------------------------------------------------------------------------------------
// Help
// ---------------------------------------------------------------------------------------------------------------------

/// The contract's table, as far as a flag has a default.
const DEFAULTS: [(&str, &str); 15] = [
    ("--grpc-addr", "[::]:50051"),
    ("--admin-addr", "[::]:9090"),
    ("--auth", "none"),
    ("--default-deadline", "10s"),
    ("--max-deadline", "30s"),
    ("--max-in-flight", "1024"),
    ("--max-connections", "10000"),
    ("--max-connection-age", "5m"),
    ("--shutdown-delay", "5s"),
    ("--drain-timeout", "30s"),
    ("--reflection", "true"),
    ("--aws-attempt-timeout", "5s"),
    ("--aws-connect-timeout", "2s"),
    ("--aws-max-attempts", "3"),
    ("--log-level", "info"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_flag_of_serve_shows_its_variable_and_its_default() {
    let ended = command(&["serve", "--help"]).run().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let help = flags_of(&ended.out);
    assert!(help.len() >= 12, "{help:#?}");
    for (flag, text) in &help {
        let variable = match flag.as_str() {
            "--otlp-endpoint" => "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            flag => format!("GATEWAY_{}", flag.trim_start_matches("--").replace('-', "_").to_uppercase()),
        };
        assert!(text.contains(&format!("[env: {variable}=")), "{variable}: {text}");
        if let Some((_, default)) = DEFAULTS.iter().find(|(with_default, _)| with_default == flag) {
            assert!(text.contains(&format!("[default: {default}]")), "{default}: {text}");
        }
    }
    let log_format = &help.iter().find(|(flag, _)| flag == "--log-format").unwrap().1;
    assert!(log_format.contains("[default: text on a terminal, else json]"), "{log_format}");
}

/// Each flag with all of its text on one line.
fn flags_of(help: &str) -> Vec<(String, String)> {
    let mut flags: Vec<(String, String)> = Vec::new();
    for line in help.lines().map(str::trim) {
        if line.starts_with("--") {
            let name = line.split([' ', '=']).next().unwrap();
            flags.push((name.to_owned(), line.to_owned()));
        } else if line.starts_with("-h,") {
            break;
        } else if let Some((_, text)) = flags.last_mut() {
            *text = format!("{text} {line}");
        }
    }
    flags
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subcommand_has_help_and_the_command_has_a_version() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["health", "--help"],
        &["dev", "--help"],
        &["simulator", "--help"],
    ] {
        let ended = command(args).run().await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.out.contains("Usage: codepipeline-gateway"), "{}", ended.out);
    }
    let version = command(&["--version"]).run().await;
    assert_eq!(
        (version.code, version.out.as_str()),
        (Some(0), concat!("codepipeline-gateway ", env!("CARGO_PKG_VERSION")))
    );
}

// ---------------------------------------------------------------------------------------------------------------------
// Credentials that change
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credentials_file_is_taken_without_a_failed_call() {
    let simulator = simulator_with(&[]).await;
    let keys = ["AKIAFAKEBEFORE000000", "AKIAFAKEAFTER0000000"];
    simulator.set_keys(keys.map(|id| AccessKey::new(id, "fake-secret")).into());
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("credentials");
    let write = |id: &str| {
        let next = folder.path().join("next");
        fs::write(
            &next,
            format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = fake-secret\n"),
        )
        .unwrap();
        fs::rename(next, &path).unwrap();
    };
    write(keys[0]);
    let serve = command(&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"])
        .with("AWS_REGION", "eu-west-1")
        .with("AWS_SHARED_CREDENTIALS_FILE", &path)
        .with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url());
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    let mut client = ThirdPartyJobServiceClient::new(channel(address));
    write(keys[1]);
    // Looked at every few seconds: the condition is the new key on a call.
    let signed_with = |key: &str| {
        simulator.requests().last().is_some_and(|last| last.access_key_id.as_deref() == Some(key))
    };
    while !signed_with(keys[1]) {
        let answer: Answer = client.acknowledge_third_party_job(request("job-0")).await.into();
        assert_eq!(answer.reason(), "JOB_NOT_FOUND", "no call suffers from the change");
    }
    simulator.stop().await;
}

// ---------------------------------------------------------------------------------------------------------------------
// The operating system
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_for_the_limits_is_bad_configuration() {
    let serve = [
        "serve",
        "--grpc-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--max-connections=18446744073709551615",
    ];
    let told = command(&serve).with_keys().run().await;
    told.failed(64, &["--max-connections", "GATEWAY_MAX_CONNECTIONS", "--max-in-flight", "ulimit -n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unspecified_ipv6_address_takes_ipv4_too() {
    let simulator = simulator_with(&[]).await;
    let serve = command(&["serve", "--grpc-addr=[::]:0", "--admin-addr=127.0.0.1:0"]).with_keys();
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let port = program.address().await.port();
    until_serving(SocketAddr::from(([127, 0, 0, 1], port))).await;
    simulator.stop().await;
}
