//! `--help` and `--version`.

use crate::harness::command;

/// The flags with a default in the contract.
const DEFAULTS: [(&str, &str); 18] = [
    ("--grpc-addr", "[::]:50051"),
    ("--admin-addr", "[::]:9090"),
    ("--auth", "none"),
    ("--default-deadline", "10s"),
    ("--max-deadline", "30s"),
    ("--max-in-flight", "1024"),
    ("--poll-interval", "5s"),
    ("--max-poll-waiters", "1024"),
    ("--max-connections", "10000"),
    ("--max-connection-age", "5m"),
    ("--shutdown-delay", "5s"),
    ("--drain-timeout", "30s"),
    ("--reflection", "true"),
    ("--aws-attempt-timeout", "5s"),
    ("--aws-connect-timeout", "2s"),
    ("--aws-idle-timeout", "5s"),
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

/// Each flag with its whole text on one line.
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
