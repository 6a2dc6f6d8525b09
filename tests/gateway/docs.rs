//! The documentation matches the program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::{env, fs};

use codepipeline_gateway::error::{Outcome, Outcomes, Reason};
use codepipeline_gateway::methods::{ACKNOWLEDGE, Method};
use codepipeline_gateway::telemetry::Metrics;

use crate::harness::answer::upper_snake;

const ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_error_table_of_the_docs_matches_the_program() {
    let text = fs::read_to_string(ERRORS).unwrap();
    let begin = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = text.find(END).unwrap();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(ERRORS, format!("{}{}{}", &text[..begin], table(), &text[end..])).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], table(), "docs/errors.md is stale: run `just docs`");
}

fn table() -> String {
    let mut table = String::from(
        "\n| reason | code | outcome | RetryInfo | operations | what happened |\n|---|---|---|---|---|---|\n",
    );
    for &reason in Reason::ALL {
        let outcome = match reason.outcomes() {
            Outcomes::Always(outcome) => format!("`{}`", outcome.as_str()),
            Outcomes::Observed => "varies".into(),
        };
        let code = by_operation(reason, |method| {
            upper_snake(&format!("{:?}", reason.code(Outcome::NotSent, method)))
        });
        let retry =
            by_operation(reason, |method| if reason.has_retry_info(method) { "yes" } else { "no" }.into());
        let operations = match reason.methods() {
            [] => "none".into(),
            methods if methods.len() == Method::operations().count() => "all".into(),
            methods => short_names(methods),
        };
        let (name, meaning) = (reason.name(), reason.meaning());
        writeln!(table, "| `{name}` | {code} | {outcome} | {retry} | {operations} | {meaning} |").unwrap();
    }
    table.push('\n');
    table
}

/// What is true of most operations, and the operations for which something else is true.
fn by_operation(reason: Reason, value: impl Fn(&Method) -> String) -> String {
    let usual = value(&ACKNOWLEDGE);
    let others: Vec<_> = reason.methods().iter().copied().filter(|method| value(method) != usual).collect();
    match others[..] {
        [] => usual,
        [other, ..] => format!("{usual}; {} for {}", value(other), short_names(&others)),
    }
}

/// The names of operations as in the configuration.
fn short_names(methods: &[&Method]) -> String {
    methods.iter().map(|method| format!("`{}`", method.short_name)).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_readme_names_the_version_and_a_measured_figure() {
    let read = |path| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (readme, performance) = (read("README.md"), read("docs/performance.md"));
    let version = env!("CARGO_PKG_VERSION");
    for text in [
        format!("[![Release {version}]"),
        format!("badge/release-{version}-blue"),
        format!("Version {version} is"),
        format!("codepipeline-gateway:{version} "),
    ] {
        assert!(readme.contains(&text), "README.md doesn't contain: {text}");
    }
    // The README rounds the measured ratio down.
    assert!(
        readme.contains("more than three times as many calls per CPU second as grpc-go with aws-sdk-go-v2")
    );
    let row = "| calls per CPU second, relative to grpc-go + aws-sdk-go-v2 |";
    let row = performance.lines().find(|line| line.starts_with(row)).unwrap();
    let measured = row.split('|').nth(3).unwrap().trim().trim_end_matches(" ×");
    assert!(measured.parse::<f64>().unwrap() > 3.0, "README.md claims more than docs/performance.md: {row}");
}

#[test]
fn the_docs_list_exactly_the_metrics_of_the_program() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let metrics = Metrics::new();
    let page = metrics.encode(false).unwrap();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let shown: BTreeSet<&str> = families.collect();
    let section = text.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let explained: BTreeSet<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next())
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().trim_matches('`').split('{').next().unwrap())
        .filter(|name| {
            name.starts_with("grpc_") || name.starts_with("codepipeline_") || name.starts_with("process_")
        })
        .collect();
    assert_eq!(explained, shown);
}
