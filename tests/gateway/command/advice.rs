//! The errors for missing credentials and regions, and the warnings of probable mistakes: each
//! names the variable, profile, or file, and what to do.

use std::fs;

use crate::harness::process::{Invocation, serve_command};
use crate::harness::{HttpServer, REGION, Scratch, command};

const ROLE: &str = "arn:aws:iam::123456789012:role/gateway";
const TOKEN: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// A secret in the arguments of a credential process and in a broken file.
const SECRET: &str = "plainly-fake-secret-4f1b";

const SSO: &str = "[default]\nsso_session = company\nsso_account_id = 123456789012\nsso_role_name = r\n\
                   [sso-session company]\nsso_region = eu-west-1\nsso_start_url = https://sso.test/start\n";

/// Variables, and the parts of the error.
type Row = (Vec<(&'static str, String)>, Vec<String>);

fn rows(files: &Scratch) -> Vec<Row> {
    let config =
        |name: &str, text: &str| ("AWS_CONFIG_FILE", files.file(name, text).to_str().unwrap().to_owned());
    let set = |name: &'static str, value: &str| (name, value.to_owned());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let process = |name, program: &str| {
        config(name, &format!("[default]\ncredential_process = {program} --token {SECRET}\n"))
    };
    let container = set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/v1/credentials");
    vec![
        (
            vec![set(TOKEN, "/no/token"), set("AWS_ROLE_ARN", ROLE)],
            texts(&["can't read AWS_WEB_IDENTITY_TOKEN_FILE /no/token", "Check the pod's service account"]),
        ),
        (vec![set(TOKEN, "/no/token")], texts(&["AWS_ROLE_ARN isn't"])),
        (
            vec![container.clone(), set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/no/token")],
            texts(&["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE /no/token", "EKS Pod Identity"]),
        ),
        (vec![container], texts(&["AWS_CONTAINER_CREDENTIALS_FULL_URI", "Check that the agent runs"])),
        (
            vec![config("cut", &format!("[default\nkey = {SECRET}\n"))],
            texts(&["/cut on line 1", "Correct the file"]),
        ),
        (vec![process("missing", "/no/program")], texts(&["/missing", "can't run /no/program. Install"])),
        (vec![process("failing", "false")], texts(&["/failing", "false failed with exit code 1. Run"])),
        (vec![config("sso", SSO)], texts(&["/sso", "aws sso login --profile default"])),
        (
            vec![config("named", "[profile dev]\n"), set("AWS_PROFILE", "dve")],
            texts(&["no profile \"dve\" in", "/named", "Correct AWS_PROFILE"]),
        ),
        (
            vec![config("role", &format!("[default]\nrole_arn = {ROLE}\nsource_profile = base\n"))],
            texts(&["/role", "source_profile \"base\""]),
        ),
        (
            vec![config(
                "token",
                &format!("[default]\nrole_arn = {ROLE}\nweb_identity_token_file = /no/t\n"),
            )],
            texts(&["web_identity_token_file of profile \"default\"", "/no/t: No such file"]),
        ),
        (vec![set("AWS_ACCESS_KEY_ID", "x")], texts(&["AWS_SECRET_ACCESS_KEY isn't"])),
        (vec![], texts(&["Set AWS_PROFILE", "no credentials found in chain"])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn check_and_the_log_name_the_cause_of_missing_credentials() {
    let files = Scratch::new();
    for (variables, texts) in rows(&files) {
        let with = |command: Invocation| {
            let command = command.with("AWS_REGION", REGION).with("PATH", "/usr/bin:/bin");
            variables.iter().fold(command, |command, (name, value)| command.with(name, value))
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let check = with(command(&["check"])).run().await;
        check.failed(1, &[&["no AWS credentials"], &texts[..]].concat());
        let mut serve = with(serve_command(&["--log-format=text"])).start();
        let line = serve.err.until(|line| line.contains("can't load AWS credentials")).await;
        for text in texts {
            assert!(line.contains(text), "{text}: {line}");
        }
        for shown in [&check.out, &check.err, &line] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_profile_is_named_where_the_instance_metadata_service_refuses() {
    let (files, imds) = (Scratch::new(), HttpServer::fixed(403, "text/plain", "forbidden").await);
    let check = command(&["check"])
        .with("AWS_REGION", REGION)
        .with("AWS_EC2_METADATA_DISABLED", "false")
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", imds.address))
        .with("AWS_CONFIG_FILE", files.file("named", "[profile dev]\n"));
    check.with("AWS_PROFILE", "dve").run().await.failed(1, &["no profile \"dve\" in", "Correct AWS_PROFILE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_come_before_missing_credentials() {
    let ended = command(&["check"]).with("AWS_REGION", "eu-west-1a").run().await;
    ended.failed(1, &["no AWS credentials"]);
    assert!(ended.out.contains("eu-west-1a is an availability zone"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_sso_session_names_the_login() {
    let files = Scratch::new();
    let cache = files.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    // The SDK names the file by the SHA-1 hash of the session's name, `company`.
    let token = r#"{"accessToken":"fake","expiresAt":"2020-01-01T00:00:00Z"}"#;
    fs::write(cache.join("71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json"), token).unwrap();
    let check = command(&["check"]).with("AWS_REGION", REGION).with("HOME", files.path());
    let ended = check.with("AWS_CONFIG_FILE", files.file("sso", SSO)).run().await;
    ended.failed(1, &["the SSO session of profile \"default\"", "has expired", "`aws sso login"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_region_names_the_profile() {
    let files = Scratch::new();
    let config = |name: &str, text: &str| command(&["check"]).with("AWS_CONFIG_FILE", files.file(name, text));
    let wrong = config("named", "[profile dev]\n").with("AWS_PROFILE", "dve").run().await;
    wrong
        .failed(64, &["set AWS_REGION", "`region` to profile \"dve\"", "/named", "the profile wasn't found"]);
    let without = config("empty", "[default]\noutput = json\n").run().await;
    without.failed(64, &["set AWS_REGION", "`region` to profile \"default\""]);
    assert!(!without.err.contains("wasn't found"), "{without:?}");
    config("cut", "[default\n").run().await.failed(64, &["AWS_REGION", "correct a shared file", "on line 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_and_serve_warn_of_a_zone_and_of_misspelled_variables() {
    let with = |command: Invocation| {
        let command =
            command.with_keys().with("AWS_REGION", "eu-west-1a").with("GATEWAY_MAX_INFLIGHT", SECRET);
        // Kubernetes sets these for a Service of the name `gateway`.
        let service = [
            ("GATEWAY_PORT", "tcp://10.0.0.1:50051"),
            ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("GATEWAY_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ];
        command.with_all(&service).with("GATEWAY_LOG_LEVEL", "info")
    };
    let zone = "AWS_REGION: eu-west-1a is an availability zone; its region is eu-west-1";
    let variable = "GATEWAY_MAX_INFLIGHT is ignored: it isn't a variable of the gateway; \
                    did you mean GATEWAY_MAX_IN_FLIGHT?";
    let check = with(command(&["check"])).run().await;
    assert_eq!(check.code, Some(0), "{check:?}");
    let mut serve = with(serve_command(&["--log-format=text"])).start();
    serve.err.until(|line| line.contains("listening")).await;
    for output in [check.out, serve.err.seen.join("\n")] {
        for warning in [zone, variable] {
            assert_eq!(output.matches(warning).count(), 1, "{warning}\n{output}");
        }
        assert_eq!(output.matches("isn't a variable").count(), 1, "{output}");
        assert!(!output.contains(SECRET), "{output}");
    }
    let plain = command(&["check"]).with_keys().run().await;
    assert!(!plain.out.contains("AWS_REGION:"), "{}", plain.out);
}
