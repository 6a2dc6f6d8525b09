//! `check`: what `serve` would run with, redacted, and no call to CodePipeline.

use std::io;
use std::net::TcpListener;

use crate::process::{Scratch, command};

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
