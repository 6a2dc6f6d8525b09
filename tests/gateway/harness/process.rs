//! The real binary as a child process, with an environment that the test defines.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Cursor, PipeReader, Read, pipe};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_simulator::{AccessKey, Config, Job, Simulator};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::IntoRequest;

use super::{
    Acknowledged, NONCE, PATIENCE, REGION, Scratch, TOKEN, acknowledge, channel, loopback, until_serving,
    within,
};

/// The command before it runs. It inherits no environment variable.
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
    pub fn with(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(variable, value);
        self
    }

    pub fn with_all(self, variables: &[(&str, &str)]) -> Self {
        variables.iter().fold(self, |command, (variable, value)| command.with(variable, value))
    }

    /// Adds a region and the key that the simulator knows.
    pub fn with_keys(self) -> Self {
        let AccessKey { access_key_id, secret_access_key, .. } = AccessKey::fake();
        self.with("AWS_REGION", REGION)
            .with("AWS_ACCESS_KEY_ID", access_key_id)
            .with("AWS_SECRET_ACCESS_KEY", secret_access_key)
    }

    /// Sets the simulator as the endpoint of AWS.
    pub fn for_simulator(self, simulator: &Simulator) -> Self {
        self.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url())
    }

    pub fn start(mut self) -> Program {
        let pipes = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Program { child, out, err, _home: self.home }
    }

    /// Starts the command, and reads its log up to this line and no further. The caller must keep
    /// the pipe.
    pub async fn start_with_stalled_log(mut self, last: &'static str) -> (Program, PipeReader) {
        let (mut log, writer) = pipe().unwrap();
        let child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(writer).spawn();
        let mut child = child.unwrap();
        drop(self.command);
        let out = Lines::of(child.stdout.take().unwrap());
        let mut program = Program { child, out, err: Lines::of(Cursor::new([])), _home: self.home };
        let (sender, read) = oneshot::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            while !(text.ends_with(b"\n") && String::from_utf8_lossy(&text).contains(last)) {
                let mut byte = [0];
                if log.read_exact(&mut byte).is_err() {
                    break;
                }
                text.extend(byte);
            }
            sender.send((text, log))
        });
        let (text, log) = within(last, PATIENCE, read).await.unwrap();
        program.err = Lines::of(Cursor::new(text));
        (program, log)
    }

    pub async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// The running command. The end of the test kills it.
pub struct Program {
    child: Child,
    pub out: Lines,
    pub err: Lines,
    _home: Scratch,
}

impl Program {
    /// Waits until `serve` listens, and returns its gRPC address.
    pub async fn address(&mut self) -> SocketAddr {
        self.addresses().await.0
    }

    /// Waits until `serve` listens, and returns its gRPC and admin addresses.
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

    /// Waits until the command has ended by itself.
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

/// The exit code and the output of the command.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Asserts this exit code and one line of error text that contains all of these.
    pub fn failed(&self, code: i32, names: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one line: {}", self.err);
        assert!(self.err.starts_with("codepipeline-gateway: "), "{}", self.err);
        for name in names {
            assert!(self.err.contains(name), "{name} is missing: {}", self.err);
        }
    }
}

/// The lines of an output stream. `seen` has all lines so far.
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
        let line = next.unwrap_or_else(|_| panic!("no further line after {:#?}", self.seen))?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// Reads up to the next line that meets the condition.
    pub async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        while let Some(line) = self.next().await {
            if wanted(&line) {
                return line;
            }
        }
        panic!("the output ended without the line: {:#?}", self.seen);
    }

    pub async fn until_end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// The arguments of `serve` on free ports of loopback, and these.
pub fn serve_command(args: &[&str]) -> Invocation {
    command(&[&["serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"], args].concat())
}

/// A healthy `serve` in front of a simulator.
pub async fn serve(simulator: &Simulator, args: &[&str]) -> (Program, SocketAddr) {
    let mut program = serve_command(args).with_keys().for_simulator(simulator).start();
    let address = program.address().await;
    until_serving(address).await;
    (program, address)
}

/// Acknowledges a job over a connection of its own.
pub async fn send(
    address: SocketAddr,
    request: impl IntoRequest<AcknowledgeThirdPartyJobRequest>,
) -> Acknowledged {
    acknowledge(channel(address), request).await
}

/// A simulator with these jobs.
pub async fn simulator_with(jobs: &[&str]) -> Simulator {
    let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
    for id in jobs {
        simulator.add_job(Job::new(*id, NONCE, TOKEN));
    }
    simulator
}
