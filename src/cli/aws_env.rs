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
    if set.is_empty() { "none is set".into() } else { set.join(", ") }
}

/// A warning for each variable of the SDK that doesn't apply, because the gateway has its own
/// retries.
pub(super) fn ignored_variables() -> impl Iterator<Item = String> {
    let ignored = [
        ("AWS_MAX_ATTEMPTS", format!("use {}", flag::<LimitArgs>("--aws-max-attempts"))),
        ("AWS_RETRY_MODE", "the gateway has its own retries".into()),
    ];
    let ignored = ignored.into_iter().filter(|(name, _)| env::var_os(name).is_some());
    ignored.map(|(name, why)| format!("{name} is ignored: {why}"))
}

/// A warning for each setting of AWS that is valid and probably a mistake.
pub(super) fn aws_warnings(aws: &Aws) -> impl Iterator<Item = String> {
    let plaintext = aws.endpoint().starts_with("http://").then(|| {
        "the AWS endpoint has no TLS: nonces, client tokens and session tokens cross the network \
         unencrypted; use an https URL outside of tests"
            .to_owned()
    });
    plaintext.into_iter().chain(odd_region(&aws.region()))
}

/// A warning, if no region of AWS can have this name: words and a number, such as eu-west-1 and
/// us-gov-east-1. A simulator accepts any name.
fn odd_region(region: &str) -> Option<String> {
    let is_region = |name: &str| {
        let (words, number) = name.rsplit_once('-').unwrap_or_default();
        let is_word = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
        words.contains('-')
            && words.split('-').all(is_word)
            && (1..=2).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
    };
    if is_region(region) {
        return None;
    }
    let without_letter = region.strip_suffix(|c: char| c.is_ascii_lowercase());
    Some(match without_letter.filter(|name| is_region(name)) {
        Some(name) => format!("AWS_REGION: {region} is an availability zone; its region is {name}"),
        None => format!("AWS_REGION: {region} doesn't look like a region of AWS, such as eu-west-1"),
    })
}

fn text(variable: &str) -> Option<String> {
    env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
}

/// The path, with a leading `~` replaced by the home directory. The SDK does the same.
fn at_home(home: &Path, path: OsString) -> PathBuf {
    let path = PathBuf::from(path);
    path.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_region_can_have_are_odd() {
        for region in [
            "eu-west-1",
            "us-gov-east-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "cn-north-1",
            "ap-southeast-12",
        ] {
            assert_eq!(odd_region(region), None);
        }
        assert!(odd_region("eu-west-1a").unwrap().ends_with("its region is eu-west-1"));
        for region in ["eu-west", "eu-west-a", "west-1", "eu-west-1-a", "us-east-1-lax-1", "eu-west-100"] {
            assert!(odd_region(region).unwrap().contains("doesn't look like"), "{region}");
        }
    }
}
