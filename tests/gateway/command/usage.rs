//! Bad usage and configuration: exit 64 and one line that names flag and variable.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::certificates::{Authority, write_pair};
use crate::process::{Scratch, command};
use crate::tokens::{Signer, set};

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

/// With everything that `--auth jwt` needs, but for the last of these, which come instead.
fn jwt<'a>(instead: &[&'a str]) -> Vec<&'a str> {
    let all = [
        "--auth=jwt",
        "--jwt-issuer=https://issuer.test",
        "--jwt-audience=gateway",
        "--allow=sub:system:serviceaccount:builds:*",
    ];
    let flag = |arg: &str| arg.split('=').next().unwrap().to_owned();
    let kept = all.into_iter().filter(|arg| instead.iter().all(|other| flag(other) != flag(arg)));
    kept.chain(instead.iter().copied().filter(|arg| arg.contains('='))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_configuration_of_tokens_gives_64_and_one_line_that_names_flag_and_variable() {
    let files = Scratch::new();
    files.file("jwks.json", &set(&[&Signer::p256("one")]));
    let arg = |flag: &str, name: &str| format!("{flag}={}", files.path().join(name).display());
    let file = arg("--jwt-jwks", "jwks.json");
    let ca = arg("--jwt-ca", "ca.crt");
    files.file("ca.crt", &Authority::new().pem());
    files.file("empty", "");
    files.file("no-keys.json", r#"{"keys":[]}"#);
    let issuer = ["--jwt-issuer", "GATEWAY_JWT_ISSUER"];
    let audience = ["--jwt-audience", "GATEWAY_JWT_AUDIENCE"];
    let allow = ["--allow", "GATEWAY_ALLOW"];
    let place = ["--jwt-jwks", "GATEWAY_JWT_JWKS"];
    let roots = ["--jwt-ca", "GATEWAY_JWT_CA"];
    let token = ["--jwt-jwks-token-file", "GATEWAY_JWT_JWKS_TOKEN_FILE"];
    let rows: Vec<(Vec<String>, [&str; 2])> = [
        (vec!["--jwt-issuer"], issuer),
        (vec!["--jwt-issuer= "], issuer),
        (vec!["--jwt-audience"], audience),
        (vec!["--jwt-audience= "], audience),
        (vec!["--allow"], allow),
        (vec!["--allow=dns:worker.test"], allow),
        (vec!["--allow=spiffe://a/b"], allow),
        (vec!["--allow=sub:a,dns:worker.test"], allow),
        (vec!["--allow=sub:*"], allow),
        (vec!["--allow=sub:worker*"], allow),
        // Without --jwt-jwks the issuer has to be where its document is.
        (vec!["--jwt-issuer=kubernetes/serviceaccount"], issuer),
        (vec!["--jwt-issuer=http://issuer.test"], issuer),
        (vec!["--jwt-issuer=https://issuer.test?tenant=1"], issuer),
        (vec!["--jwt-jwks=http://issuer.test/keys"], place),
        (vec!["--jwt-jwks=ftp://issuer.test/keys"], place),
        (vec!["--jwt-jwks=https://"], place),
        (vec!["--jwt-jwks=https://user:fake-secret@issuer.test/keys"], place),
        (vec!["--jwt-jwks=missing.json"], place),
        (vec!["--jwt-jwks=."], place),
        (vec![&arg("--jwt-jwks", "empty")], place),
        (vec![&arg("--jwt-jwks", "no-keys.json")], place),
        (vec!["--jwt-ca=missing.crt"], roots),
        (vec![&arg("--jwt-ca", "empty")], roots),
        (vec![&arg("--jwt-ca", "jwks.json")], roots),
        (vec!["--jwt-jwks-token-file=missing"], token),
        (vec![&arg("--jwt-jwks-token-file", "empty")], token),
        (vec![&file, &ca], roots),
        // None of it does anything without `--auth jwt`.
        (vec!["--auth=none", "--jwt-issuer", "--jwt-audience"], ["--allow", "--auth jwt (GATEWAY_AUTH)"]),
        (vec!["--auth=none", "--jwt-audience", "--allow"], issuer),
        (vec!["--auth=none", "--jwt-issuer", "--allow"], audience),
        (vec!["--auth=none", "--jwt-issuer", "--jwt-audience", "--allow", &file], place),
        (vec!["--auth=none", "--jwt-issuer", "--jwt-audience", "--allow", &ca], roots),
        (vec!["--auth=none", "--jwt-issuer", "--jwt-audience", "--allow", "--jwt-jwks-token-file=x"], token),
        (vec!["--auth=mtls", "--jwt-audience"], issuer),
        (vec!["--auth=oauth"], ["--auth", "GATEWAY_AUTH"]),
    ]
    .map(|(args, names)| (args.into_iter().map(str::to_owned).collect(), names))
    .into();
    for (args, names) in rows {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        for subcommand in ["serve", "check"] {
            let ended = command(&[&[subcommand], &jwt(&args)[..]].concat()).with_keys().run().await;
            ended.failed(64, &names);
            assert!(!ended.err.contains("fake-secret"), "{}", ended.err);
        }
    }
    // By the variables alone.
    let refused = command(&["check"]).with_keys().with("GATEWAY_AUTH", "jwt").with("GATEWAY_JWT_ISSUER", "x");
    refused.run().await.failed(64, &audience);
    let refused = command(&["check"]).with_keys().with("GATEWAY_JWT_CA", "x");
    refused.run().await.failed(64, &["--jwt-ca (GATEWAY_JWT_CA)", "--auth jwt (GATEWAY_AUTH)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_on_the_list_of_certificates_gives_64() {
    let (files, authority) = (Scratch::new(), Authority::new());
    write_pair(files.path(), &authority.issue("gateway.test"));
    files.file("ca.crt", &authority.pem());
    let arg = |flag: &str, name: &str| format!("--tls-{flag}={}", files.path().join(name).display());
    let tls = [arg("cert", "tls.crt"), arg("key", "tls.key"), arg("client-ca", "ca.crt")];
    for (allow, code) in [("--allow=dns:worker.test,sub:worker", 64), ("--allow=dns:worker.test", 0)] {
        let args = [&["check", "--auth=mtls", allow], &tls.each_ref().map(String::as_str)[..]].concat();
        let ended = command(&args).with_keys().run().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        if code == 64 {
            ended.failed(64, &["--allow (GATEWAY_ALLOW)", "--auth mtls (GATEWAY_AUTH)"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_gives_64_and_one_line() {
    let rows: [(&[&str], &str); 14] = [
        (&[], "serve"),
        (&["server"], "server"),
        (&["serve", "--grpc-port", "1"], "--grpc-port"),
        (&["check", "--grpc-port"], "--grpc-port"),
        (&["serve", "now"], "now"),
        (&["serve", "--grpc-addr"], "--grpc-addr (GATEWAY_GRPC_ADDR)"),
        (&["--serve"], "--serve"),
        (&["health", "--timeout", "soon"], "--timeout"),
        (&["simulator", "--addr", "here"], "--addr: \"here\" is not valid: an address looks like"),
        (&["health", "--timeout", "0s"], "--timeout: \"0s\" is not valid"),
        (&["health", "--cert", "client.crt"], "--key"),
        (&["serve", "--max-in-flight", "-1"], "a whole number, at least 1"),
        // This one has no variable.
        (&["dev", "--grpc-addr", "here"], "--grpc-addr: \"here\" is not valid"),
        (&["check", "--grpc-addr=127.0.0.1:5005", "--admin-addr=[::]:5005"], "can't both have port 5005"),
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
            for url in [
                "localhost:4599",
                "ftp://x",
                "http://",
                "not a url",
                "http://localhost:port",
                "http://localhost:0",
                "https://me:fake-secret@x",
                "https://me:fake-secret@x:port",
                "https://me:fake-secret@not a url",
            ] {
                let ended = command(&[subcommand]).with_keys().with(variable, url).run().await;
                ended.failed(64, &[variable]);
                assert!(
                    !ended.err.contains("fake-secret") && !ended.out.contains("fake-secret"),
                    "{ended:?}"
                );
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

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_no_text_gives_64_and_one_line() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_codepipeline-gateway"));
    let ended = program.arg(OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.stderr).lines().count(), 1, "{ended:?}");
}
