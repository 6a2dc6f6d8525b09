//! Reads the environment for the AWS SDK: its files, its switches, and the variables for
//! credentials and retries.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use codepipeline_gateway::codepipeline::{Aws, ENDPOINT_SWITCHES, Source};

use crate::config::{LimitArgs, flag};

/// The variables that decide the source of credentials (AWS SDKs and Tools Reference Guide), and
/// whether their value can be shown. A container's relative URI is a secret, because it identifies
/// its credentials.
const CREDENTIALS: [(&str, bool); 13] = [
    ("AWS_ACCESS_KEY_ID", false),
    ("AWS_SECRET_ACCESS_KEY", false),
    ("AWS_SESSION_TOKEN", false),
    ("AWS_PROFILE", true),
    ("AWS_CONFIG_FILE", true),
    ("AWS_SHARED_CREDENTIALS_FILE", true),
    ("AWS_ROLE_ARN", true),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", true),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", false),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", false),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", false),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", true),
    ("AWS_EC2_METADATA_DISABLED", true),
];

/// The SDK's own configuration, with the paths of its shared files (AWS SDKs and Tools Reference
/// Guide, "Location of the shared config and credentials files").
pub(super) fn environment() -> Source {
    let home = env::home_dir().unwrap_or_default();
    let folder = home.join(".aws");
    let file =
        |variable, name| env::var_os(variable).map_or_else(|| folder.join(name), |file| at_home(&home, file));
    let shared_files =
        vec![file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    Source::Environment { shared_files, switches: ENDPOINT_SWITCHES.map(|(variable, _)| text(variable)) }
}

/// The variables for credentials that are set, in one line.
pub(super) fn credential_variables() -> String {
    let shown = |(variable, is_public)| {
        let value = text(variable)?;
        Some(match (value.is_empty(), is_public) {
            (true, _) => format!("{variable} (empty)"),
            (false, true) => format!("{variable}={value}"),
            (false, false) => format!("{variable} (set)"),
        })
    };
    let set: Vec<String> = CREDENTIALS.into_iter().filter_map(shown).collect();
    if set.is_empty() { "no variable for them is set".into() } else { set.join(", ") }
}

/// A warning for each variable of the SDK that doesn't apply, because the gateway has its own
/// retries.
pub(super) fn ignored_variables() -> impl Iterator<Item = String> {
    let ignored = [
        ("AWS_MAX_ATTEMPTS", format!("use {}", flag::<LimitArgs>("--aws-max-attempts"))),
        ("AWS_RETRY_MODE", "the gateway decides about retries itself".into()),
    ];
    let ignored = ignored.into_iter().filter(|(name, _)| env::var_os(name).is_some());
    ignored.map(|(name, why)| format!("{name} is ignored: {why}"))
}

/// A warning, if requests to AWS are unencrypted.
pub(super) fn plaintext(aws: &Aws) -> Option<&'static str> {
    aws.endpoint().starts_with("http://").then_some(
        "the endpoint of AWS is plain http: nonces, client tokens and the session token \
         cross the network unprotected",
    )
}

fn text(variable: &str) -> Option<String> {
    env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
}

/// The path, with a leading `~` replaced by the home directory. The SDK does the same.
fn at_home(home: &Path, path: OsString) -> PathBuf {
    let path = PathBuf::from(path);
    path.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(path)
}
