//! Bad usage and configuration: exit code 64, and one line that names the flag and the variable.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::harness::command;

/// Flags with their variables and a bad value.
const BAD_VALUES: [(&str, &str, &str); 32] = [
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
    ("--poll-interval", "GATEWAY_POLL_INTERVAL", "999ms"),
    ("--poll-interval", "GATEWAY_POLL_INTERVAL", "often"),
    ("--max-poll-waiters", "GATEWAY_MAX_POLL_WAITERS", "0"),
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
    // As a target, this value would silence the log.
    ("--log-level", "GATEWAY_LOG_LEVEL", "inof"),
    ("--log-level", "GATEWAY_LOG_LEVEL", "info,codepipeline_gateway=loud"),
    ("--log-level", "GATEWAY_LOG_LEVEL", "info,[\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_exits_with_64_and_names_its_flag_and_variable() {
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
async fn contradicting_values_exit_with_64_and_are_both_named() {
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
async fn bad_usage_exits_with_64_and_one_line() {
    let rows: [(&[&str], &str); 17] = [
        (&[], "a command is required: serve, check"),
        (&["server"], "unknown command server; did you mean serve?"),
        (&["nothing"], "unknown command nothing; see --help"),
        (&["serve", "--tls-crt", "x"], "unknown option --tls-crt; did you mean --tls-cert?"),
        (&["serve", "--grpc-port", "1"], "--grpc-port"),
        (&["check", "--grpc-port"], "--grpc-port"),
        (&["health", "--zzz"], "unknown option --zzz; see --help"),
        (&["serve", "now"], "now"),
        (&["serve", "--grpc-addr"], "--grpc-addr (GATEWAY_GRPC_ADDR)"),
        (&["--serve"], "--serve"),
        (&["health", "--timeout", "soon"], "--timeout"),
        (&["simulator", "--addr", "here"], "--addr: \"here\" isn't valid: use an address such as"),
        (&["health", "--timeout", "0s"], "--timeout: \"0s\" isn't valid"),
        (&["health", "--cert", "client.crt"], "--key"),
        (&["serve", "--max-in-flight", "-1"], "a whole number of at least 1"),
        // This flag has no variable.
        (&["dev", "--grpc-addr", "here"], "--grpc-addr: \"here\" isn't valid"),
        (&["check", "--grpc-addr=127.0.0.1:5005", "--admin-addr=[::]:5005"], "can't both have port 5005"),
    ];
    for (args, named) in rows {
        let ended = command(args).with_keys().run().await;
        ended.failed(64, &[named]);
        assert_eq!(ended.out, "", "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_invalid_region_exits_with_64() {
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
async fn an_invalid_aws_endpoint_exits_with_64_and_hides_its_password() {
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
async fn a_port_in_use_exits_with_1_and_names_flag_and_address() {
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
async fn an_argument_that_is_not_utf8_exits_with_64() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_codepipeline-gateway"));
    let ended = program.arg(OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.stderr).lines().count(), 1, "{ended:?}");
}
