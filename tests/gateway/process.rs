//! The real binary as a child process, with nothing of the test's own environment, and what comes of it.

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use codepipeline_simulator::AccessKey;
use codepipeline_simulator::Config;
use codepipeline_simulator::Job;
use codepipeline_simulator::Simulator;
use std::fs;
use std::io::{BufRead, BufReader, Cursor, PipeReader, Read, pipe};
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Channel;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::HealthCheckResponse;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Answer, NONCE, TOKEN, loopback};

/// How long a test waits for what has to come. Never how long it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

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

    /// With a log that somebody reads up to this line and then no further. The reading end has to be kept.
    pub fn start_with_stalled_log(mut self, last: &str) -> (Program, PipeReader) {
        let (mut log, writer) = pipe().unwrap();
        let child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(writer).spawn();
        let mut child = child.unwrap();
        drop(self.command);
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).lines().any(|line| line.contains(last))
            || !text.ends_with(b"\n")
        {
            let mut byte = [0];
            log.read_exact(&mut byte).unwrap();
            text.extend(byte);
        }
        let out = Lines::of(child.stdout.take().unwrap());
        (Program { child, out, err: Lines::of(Cursor::new(text)), _home: self.home }, log)
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
        self.addresses().await.0
    }

    /// The same, and where its plain HTTP side does.
    pub async fn addresses(&mut self) -> (SocketAddr, SocketAddr) {
        let line = self.err.until(|line| line.contains("listening")).await;
        let after = |name: &str| {
            let json = line.split_once(&format!("\"{name}\":\""));
            let rest = json.or_else(|| line.split_once(&format!("{name}="))).expect("the address").1;
            rest.split(['"', ' ']).next().unwrap().parse().unwrap()
        };
        (after("grpc"), after("admin"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
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
    pub fn failed(&self, code: i32, names: &[&str]) {
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

    pub async fn next(&mut self) -> Option<String> {
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

    pub async fn until_end(&mut self) {
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

pub async fn watch_health(address: SocketAddr) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel(address)).watch(request).await.unwrap().into_inner()
}

pub async fn until_health(watch: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    let seen = async { while watch.message().await.unwrap().expect("a status").status() != wanted {} };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("the health never becomes {wanted:?}"));
}

pub async fn until_serving(address: SocketAddr) {
    until_health(&mut watch_health(address).await, ServingStatus::Serving).await;
}

pub async fn health(address: SocketAddr) -> ServingStatus {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel(address)).check(request).await.unwrap().into_inner().status()
}

/// `serve` in front of a simulator, healthy.
pub async fn serve(simulator: &Simulator, args: &[&str]) -> (Program, SocketAddr) {
    let args = [&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"], args].concat();
    let endpoint = simulator.endpoint_url();
    let mut program = command(&args).with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint).start();
    let address = program.address().await;
    until_serving(address).await;
    (program, address)
}

pub async fn simulator_with(jobs: &[&str]) -> Simulator {
    let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
    for id in jobs {
        simulator.add_job(Job::new(*id, NONCE, TOKEN));
    }
    simulator
}
