//! `check`: it prints the configuration of `serve`, redacted, and doesn't call CodePipeline.

use std::io;
use std::net::TcpListener;

use crate::harness::certificates::{Authority, mutual_tls_files};
use crate::harness::{Scratch, command};

const KEY: &str = "AKIAQ7W3PLAINLYFAKE9";
const SECRET: &str = "plainly-fake-secret-4f1b";
const SESSION: &str = "plainly-fake-session-8c2d";

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_configuration_and_opens_no_connection() {
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
    assert_eq!(endpoint.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "check opened a connection");
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
async fn credentials_with_the_zero_time_of_go_are_expired() {
    let files = Scratch::new();
    let keys = serde_json::json!({
        "Version": 1,
        "AccessKeyId": KEY,
        "SecretAccessKey": SECRET,
        "Expiration": "0001-01-01T00:00:00Z",
    });
    let keys = files.file("keys.json", &keys.to_string());
    let config = format!("[default]\nregion = eu-west-1\ncredential_process = cat {}\n", keys.display());
    let check = command(&["check"]).with("PATH", "/usr/bin:/bin");
    let ended = check.with("AWS_CONFIG_FILE", files.file("config", &config)).run().await;
    ended.failed(1, &["expired at a date before 1970"]);
    assert!(!ended.err.contains(SECRET) && !ended.out.contains(SECRET), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_value_that_the_sdk_ignores_is_rejected() {
    let files = Scratch::new();
    let fips = ("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    let dualstack = ("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    for ((variable, key), value) in [(fips, "yes"), (dualstack, "1"), (fips, "on")] {
        let config = files.file("config", &format!("[default]\n{key} = {value}\n"));
        for subcommand in ["check", "serve"] {
            let of_profile = command(&[subcommand]).with_keys().with("AWS_CONFIG_FILE", &config);
            of_profile.run().await.failed(64, &[key, "profile", value]);
            let of_variable = command(&[subcommand]).with_keys().with(variable, value);
            of_variable.run().await.failed(64, &[variable, value]);
        }
        // A variable takes precedence over the profile, as in the SDK.
        let both = command(&["check"]).with_keys().with("AWS_CONFIG_FILE", &config);
        assert_eq!(both.with(variable, "false").run().await.code, Some(0));
    }
    let config = files.file("config", "[default]\nuse_fips_endpoint = TRUE\n");
    let on = command(&["check"]).with_keys().with("AWS_REGION", "us-east-1").with("AWS_CONFIG_FILE", config);
    let ended = on.run().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("https://codepipeline-fips.us-east-1.amazonaws.com"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_certificates_callers_and_credential_variables() {
    let (files, authority) = (Scratch::new(), Authority::new());
    let tls = mutual_tls_files(&authority, files.path());
    let allow = "--allow=spiffe://test/ns/builds/*,dns:worker.test";
    let check = command(&["check", "--auth=mtls", allow]).with_keys().with("AWS_MAX_ATTEMPTS", "5");
    let ca = tls.client_ca.unwrap();
    let check = check.with("GATEWAY_TLS_CERT", &tls.cert).with("GATEWAY_TLS_KEY", tls.key);
    let check = check.with("GATEWAY_TLS_CLIENT_CA", &ca);
    let check = check.with("AWS_ENDPOINT_URL_CODEPIPELINE", "http://127.0.0.1:9");
    let role = "arn:aws:iam::123456789012:role/gateway";
    let ended = check.with("AWS_ROLE_ARN", role).run().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The default date of rcgen.
    let (cert, ca) = (tls.cert.display(), ca.display());
    let tls = format!("{cert} until 4096-01-01T00:00:00Z, callers' certificates of {ca}");
    for line in [
        format!("tls:                 {tls}"),
        "auth:                mtls: spiffe://test/ns/builds/*, dns:worker.test".into(),
        format!(
            "AWS variables:       AWS_ACCESS_KEY_ID (set), AWS_SECRET_ACCESS_KEY (set), AWS_ROLE_ARN={role}, \
             AWS_EC2_METADATA_DISABLED=true"
        ),
        "warning:             the AWS endpoint has no TLS: nonces, client tokens and session tokens cross \
         the network unencrypted; use an https URL outside of tests"
            .into(),
        "warning:             AWS_MAX_ATTEMPTS is ignored: use --aws-max-attempts (GATEWAY_AWS_MAX_ATTEMPTS)"
            .into(),
    ] {
        assert!(ended.out.lines().any(|shown| shown == line), "{line}\n{}", ended.out);
    }
    let open = command(&["check"]).with_keys().with("AWS_SESSION_TOKEN", "").run().await;
    for line in ["TLS is off: nonces", "authentication is off: any client", "AWS_SESSION_TOKEN (empty)"] {
        assert!(open.out.contains(line), "{line}\n{}", open.out);
    }
    let many = "--max-connections=18446744073709551615";
    command(&["check", many]).with_keys().run().await.failed(64, &["--max-connections", "ulimit -n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_without_credentials_exits_with_1() {
    let ended = command(&["check"]).with("AWS_REGION", "eu-west-1").run().await;
    ended.failed(1, &["no AWS credentials"]);
    assert!(ended.out.contains("eu-west-1"), "{}", ended.out);
    let half = command(&["check"]).with("AWS_REGION", "eu-west-1").with("AWS_ACCESS_KEY_ID", KEY).run().await;
    half.failed(1, &["no AWS credentials"]);
    assert!(!half.err.contains(KEY), "{}", half.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_endpoint_of_fips_and_dual_stack() {
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

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_endpoint_of_s3_and_rejects_a_bad_one() {
    let check =
        || command(&["check"]).with_keys().with("AWS_ENDPOINT_URL_CODEPIPELINE", "http://127.0.0.1:9");
    let rows = [
        ("AWS_REGION", "eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "false", "https://s3.eu-west-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4599", "http://127.0.0.1:4599"),
        ("AWS_ENDPOINT_URL_S3", "https://s3.test:8443/base", "https://s3.test:8443/base"),
    ];
    for (variable, value, endpoint) in rows {
        let ended = check().with(variable, value).run().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let line = format!("S3 endpoint:         {endpoint}");
        assert!(ended.out.lines().any(|shown| shown == line), "{line}\n{}", ended.out);
    }
    for bad in ["s3.test", "ftp://s3.test", "https://", "https://s3.test:0", "https://user:word@s3.test"] {
        for subcommand in ["check", "serve"] {
            let ended = command(&[subcommand]).with_keys().with("AWS_ENDPOINT_URL_S3", bad).run().await;
            assert!(!ended.err.contains("word@"), "{ended:?}");
            ended.failed(64, &["AWS_ENDPOINT_URL_S3"]);
        }
    }
    // S3 has no FIPS endpoints there.
    let fips = command(&["check"]).with_keys().with("AWS_USE_FIPS_ENDPOINT", "true");
    fips.with("AWS_REGION", "cn-north-1").run().await.failed(64, &["AWS_ENDPOINT_URL_S3", "FIPS"]);
}
