//! Every source of credentials and every way in which it fails, with planted secrets.

use super::evidence::Evidence;
use super::{BEARER, KEY_ID, SECRET_KEY, SESSION, with_planted_keys};
use crate::harness::credential_documents::{container_response, credentials_file, web_identity_response};
use crate::harness::process::{Invocation, serve_command};
use crate::harness::{HttpServer, REGION, Scratch, command};

const ROLE: &str = "arn:aws:iam::123456789012:role/x";
const EXPIRATION: &str = "2099-01-01T00:00:00Z";

type Variables = Vec<(&'static str, String)>;

/// The sources of credentials: a description, the variables, and whether the source gives
/// credentials.
#[derive(Default)]
struct Sources {
    rows: Vec<(&'static str, Variables, bool)>,
    /// The servers of the sources.
    servers: Vec<HttpServer>,
}

/// All secrets in one text.
fn all() -> String {
    format!("{KEY_ID} {SECRET_KEY} {SESSION} {BEARER}")
}

/// A text without its last characters.
fn truncated(text: &str) -> &str {
    &text[..text.len() - 4]
}

fn file(files: &Scratch, name: &str, text: &str) -> String {
    files.file(name, text).to_str().unwrap().to_owned()
}

impl Sources {
    async fn new(files: &Scratch) -> Self {
        let mut sources = Self::default();
        let environment = vec![
            ("AWS_ACCESS_KEY_ID", KEY_ID.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_SESSION_TOKEN", SESSION.into()),
        ];
        sources.rows.push(("environment", environment, true));
        sources.add_files(files).await;
        sources.add_processes(files);
        sources.add_containers().await;
        sources.add_web_identities(files).await;
        sources
    }

    /// Starts a server with one response, and returns its URL.
    async fn serve(&mut self, status: u16, body: &str) -> String {
        let server = HttpServer::fixed(status, "application/json", body.to_owned()).await;
        let url = format!("http://{}", server.address);
        self.servers.push(server);
        url
    }

    async fn add_files(&mut self, files: &Scratch) {
        let (all, good) = (all(), credentials_file(KEY_ID, SECRET_KEY));
        let keys = good.replacen("[default]\n", "", 1) + &format!("aws_session_token = {SESSION}\n");
        let shared =
            |name: &str, text: String| vec![("AWS_SHARED_CREDENTIALS_FILE", file(files, name, &text))];
        let half = format!("[default]\naws_access_key_id = {KEY_ID}\n");
        let swapped = format!("[default]\n{SECRET_KEY} = {KEY_ID}\n");
        self.rows.extend([
            ("a shared file", shared("good", format!("[default]\n{keys}")), true),
            ("a shared file without its secret", shared("half", half), false),
            ("a shared file of garbage", shared("garbage", format!("[default]\n{all}\n")), false),
            ("a shared file with a bad section", shared("section", format!("[{all}\n{keys}")), false),
            ("a key ID in the place of the secret", shared("names", swapped), false),
        ]);
        let role = format!("[a]\n{keys}[default]\nrole_arn = {ROLE}\nsource_profile = a\n");
        let response = web_identity_response(KEY_ID, SECRET_KEY, SESSION, EXPIRATION);
        let sts = self.serve(200, &response.replace("WithWebIdentity", "")).await;
        let mut assumed = shared("role", role);
        assumed.push(("AWS_ENDPOINT_URL_STS", sts));
        self.rows.push(("an assumed role", assumed, true));
    }

    fn add_processes(&mut self, files: &Scratch) {
        let all = all();
        let good = format!(r#"{{"Version":1,"AccessKeyId":"{KEY_ID}","#)
            + &format!(r#""SecretAccessKey":"{SECRET_KEY}","SessionToken":"{SESSION}"}}"#);
        let process = |name: &str, script: String| {
            let script = file(files, &format!("{name}.sh"), &script);
            let config = format!("[default]\ncredential_process = /bin/sh {script} {BEARER}\n");
            vec![("AWS_CONFIG_FILE", file(files, name, &config)), ("PATH", "/usr/bin:/bin".into())]
        };
        let half = process("process-half", format!("echo '{}'", truncated(&good)));
        self.rows.extend([
            ("a process", process("process", format!("echo '{good}'")), true),
            ("a process with truncated JSON", half, false),
            ("a process without JSON", process("process-text", format!("echo '{all}'")), false),
            ("a process that fails", process("process-fails", format!("echo '{all}' >&2; exit 3")), false),
        ]);
    }

    async fn add_containers(&mut self) {
        let good = container_response(KEY_ID, SECRET_KEY, SESSION, EXPIRATION);
        let rejected = format!(r#"{{"Code":"AccessDenied","Message":"{}"}}"#, all());
        for (what, status, body, works) in [
            ("a container", 200, good.as_str(), true),
            ("a container with truncated JSON", 200, truncated(&good), false),
            ("a container without JSON", 200, all().as_str(), false),
            ("a container that rejects", 403, &rejected, false),
            ("a container that rejects with 200", 200, &rejected, false),
        ] {
            let url = self.serve(status, body).await;
            let variables = vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/keys")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", BEARER.into()),
            ];
            self.rows.push((what, variables, works));
        }
    }

    async fn add_web_identities(&mut self, files: &Scratch) {
        let good = web_identity_response(KEY_ID, SECRET_KEY, SESSION, EXPIRATION);
        let error = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>InvalidIdentityToken</Code><Message>{}</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>",
            all()
        );
        for (what, status, body, works) in [
            ("web identity", 200, good.as_str(), true),
            ("web identity without XML", 200, all().as_str(), false),
            ("web identity that rejects", 400, &error, false),
            ("web identity that rejects without XML", 400, all().as_str(), false),
        ] {
            let variables = vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", file(files, "token", BEARER)),
                ("AWS_ROLE_ARN", ROLE.into()),
                ("AWS_ENDPOINT_URL_STS", self.serve(status, body).await),
            ];
            self.rows.push((what, variables, works));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_source_of_credentials_leaks_a_secret() {
    let files = Scratch::new();
    let mut evidence = Evidence::default();
    let sources = Sources::new(&files).await;
    for (what, variables, works) in &sources.rows {
        let with = |command: Invocation| {
            let command = command.with("AWS_REGION", REGION).with("RUST_LOG", "trace");
            variables.iter().fold(command, |command, (name, value)| command.with(name, value))
        };
        let check = with(command(&["check"])).run().await;
        assert_eq!(check.code, Some(i32::from(!works)), "{what}: {check:?}");
        evidence.add(format!("the output of check: {what}"), format!("{}\n{}", check.out, check.err));
        for log_format in ["text", "json"] {
            let serve = serve_command(&["--log-level=trace", "--shutdown-delay=0s"]);
            let mut program = with(serve).with("GATEWAY_LOG_FORMAT", log_format).start();
            let wanted = if *works { "loaded AWS credentials" } else { "can't load AWS credentials" };
            program.err.until(|line| line.contains(wanted)).await;
            program.signal("TERM");
            let ended = program.end().await;
            evidence.add(format!("the {log_format} log: {what}"), format!("{}\n{}", ended.out, ended.err));
        }
    }
    evidence.assert_no_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_configuration_leaks_no_secret() {
    let rows = [
        ("AWS_REGION", "EU"),
        ("AWS_ENDPOINT_URL", "nowhere"),
        ("GATEWAY_GRPC_ADDR", "x"),
        ("GATEWAY_LOG_LEVEL", "trace,x=loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:planted-collector-key_8uT2vX7nB3@collector:4317"),
    ];
    let mut evidence = Evidence::default();
    for subcommand in ["serve", "check"] {
        for (variable, value) in rows {
            let rejected = with_planted_keys(command(&[subcommand])).with("GATEWAY_LOG_LEVEL", "trace");
            let ended = rejected.with(variable, value).run().await;
            assert_eq!(ended.code, Some(64), "{variable}: {ended:?}");
            evidence
                .add(format!("{subcommand} with a bad {variable}"), format!("{}\n{}", ended.out, ended.err));
        }
    }
    evidence.assert_no_secret();
}
