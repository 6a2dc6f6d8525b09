//! Bad usage and configuration: exit 64 and one line that names flag and variable.

use std::net::TcpListener;

use crate::process::command;

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
