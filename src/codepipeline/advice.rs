//! Explains why the SDK finds no credentials or no region: names the variable, profile, or file,
//! and what to do. The SDK's own errors name none of them.

use std::path::PathBuf;

use aws_config::profile::{self, Profile, ProfileFileLoadError, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use crate::util::error_chain::chain;

/// The files with a token: the variable, and the fix if the file can't be read.
const TOKEN_FILES: [(&str, &str); 2] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "Check the pod's service account and the IRSA webhook"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "Check the pod's EKS Pod Identity association"),
];

/// Variables of which the first does nothing without the second.
const PAIRS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
];

/// The variables and the profiles as they are now.
struct Setup<'a> {
    env: Env,
    profiles: Result<ProfileSet, ProfileFileLoadError>,
    /// The shared config and credentials files.
    files: &'a [PathBuf],
}

/// The SDK's error in the words of the operator's configuration, or as it is if the SDK's own text
/// is the best one. `files` are the shared files; none for fixed credentials.
pub(super) async fn explain(sdk_error: String, files: &[PathBuf]) -> String {
    if files.is_empty() {
        return sdk_error;
    }
    let setup = Setup::load(files).await;
    let contains = |text| sdk_error.contains(text);
    let explained = if contains("could not parse profile file") || contains("could not read file") {
        setup.profiles.as_ref().err().map(unusable_file)
    } else if contains("external process exited") {
        setup.process(&sdk_error)
    } else if contains("SSO token") {
        setup.sso()
    } else if contains("IMDS") {
        // The last provider of the chain, so no other one has credentials.
        Some(setup.missing(&sdk_error))
    } else if contains("(os error") {
        setup.token_file(&sdk_error).await.or_else(|| setup.container(&sdk_error))
    } else if contains("no credentials found in chain") {
        Some(setup.missing(&sdk_error))
    } else {
        None
    };
    explained.unwrap_or(sdk_error)
}

/// How to set the region, if `AWS_REGION` isn't set.
pub(super) async fn region_advice(files: &[PathBuf]) -> String {
    let setup = Setup::load(files).await;
    match &setup.profiles {
        Err(error) => format!("correct a shared file: {}", one_line(error)),
        Ok(profiles) => {
            let missing = profiles.get_profile(profiles.selected_profile()).is_none();
            let found = if missing { " (the profile wasn't found)" } else { "" };
            format!("add `region` to {}{found}", setup.named(profiles.selected_profile()))
        }
    }
}

fn unusable_file(error: &ProfileFileLoadError) -> String {
    let error = one_line(error);
    format!("{error}. Correct the file, or set AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE to another one")
}

/// The file, the line, and the problem. Nothing of the line itself, which can be a secret.
fn one_line(error: &ProfileFileLoadError) -> String {
    chain(error).split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'a> Setup<'a> {
    async fn load(files: &'a [PathBuf]) -> Self {
        let env = Env::real();
        let profiles = profile::load(&Fs::real(), &env, &EnvConfigFiles::default(), None).await;
        Self { env, profiles, files }
    }

    /// The value of a variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        self.env.get(name).ok().filter(|value| !value.is_empty())
    }

    /// `profile "ci" of /home/me/.aws/config or /home/me/.aws/credentials`.
    fn named(&self, profile: &str) -> String {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        format!("profile {profile:?} in {}", files.join(" or "))
    }

    /// The profile with this key: the selected one, or one that it names as its source.
    fn profile_with(&self, key: &str) -> Option<(&Profile, &str)> {
        let profiles = self.profiles.as_ref().ok()?;
        let source = |profile: &&Profile| profiles.get_profile(profile.get("source_profile")?);
        let chain = std::iter::successors(profiles.get_profile(profiles.selected_profile()), source);
        // The sources can be a circle.
        chain.take(10).find_map(|profile| Some((profile, profile.get(key)?)))
    }

    fn process(&self, sdk_error: &str) -> Option<String> {
        let (profile, command) = self.profile_with("credential_process")?;
        let (_, code) = sdk_error.split_once("exited with code exit status: ")?;
        let code = code.trim_end_matches('.');
        let place = self.named(profile.name());
        // The program is shown, and its arguments aren't, because they can contain secrets.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~".contains(c);
        let word = command.split_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
        let program = if word.chars().all(plain) { word } else { "its program" };
        Some(match code {
            "126" | "127" => format!(
                "credential_process of {place}: the shell can't run {program}. Install the program, or \
                 correct its path"
            ),
            _ => format!(
                "credential_process of {place}: {program} failed with exit code {code}. Run the command in a \
                 shell to see its error"
            ),
        })
    }

    fn sso(&self) -> Option<String> {
        let (profile, _) = self.profile_with("sso_session").or_else(|| self.profile_with("sso_start_url"))?;
        let name = profile.name();
        let place = self.named(name);
        Some(format!(
            "the SSO session of {place} has expired or doesn't exist. Run `aws sso login --profile {name}`"
        ))
    }

    /// The file with a token that can't be read, for the same reason as in the SDK's error.
    async fn token_file(&self, sdk_error: &str) -> Option<String> {
        let of_profile = self.profile_with("web_identity_token_file").map(|(profile, path)| {
            let name = format!("web_identity_token_file of {}:", self.named(profile.name()));
            (name, path.to_owned(), "Check the path and the file's permissions")
        });
        let of_variables = TOKEN_FILES
            .into_iter()
            .filter_map(|(name, advice)| Some((name.to_owned(), self.variable(name)?, advice)));
        for (name, path, advice) in of_profile.into_iter().chain(of_variables) {
            if let Err(error) = tokio::fs::read(&path).await
                && sdk_error.contains(&error.to_string())
            {
                return Some(format!("can't read {name} {path}: {error}. {advice}"));
            }
        }
        None
    }

    /// The agent of container credentials can't be reached. Its URL can be a secret, so it isn't
    /// shown.
    fn container(&self, sdk_error: &str) -> Option<String> {
        let variables = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        let variable = variables.into_iter().find(|name| self.variable(name).is_some())?;
        let (_, why) = sdk_error.split_once("client error (Connect): ")?;
        let is_first = self.variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_none();
        is_first.then(|| {
            format!("can't connect to the agent that {variable} names: {why}. Check that the agent runs")
        })
    }

    /// No provider has credentials, and none failed.
    fn missing(&self, sdk_error: &str) -> String {
        if let Ok(profiles) = &self.profiles {
            let exists = |name: &str| profiles.get_profile(name).is_some();
            let selected = profiles.selected_profile();
            if self.variable("AWS_PROFILE").is_some() && !exists(selected) {
                let place = self.named(selected);
                return format!("no {place}. Correct AWS_PROFILE, or add the profile");
            }
            if let Some((profile, source)) = self.profile_with("source_profile").filter(|(_, of)| !exists(of))
            {
                let place = self.named(profile.name());
                return format!("{place} has the source_profile {source:?}, which doesn't exist. Correct it");
            }
        }
        let half = PAIRS
            .into_iter()
            .find(|(one, other)| self.variable(one).is_some() && self.variable(other).is_none());
        match half {
            Some((set, unset)) => format!("{set} is set, and {unset} isn't. Set both"),
            None => format!(
                "the SDK found none in the environment, in a profile, or from a role. Set AWS_PROFILE, or \
                 give the pod or the instance a role. The SDK reports: {sdk_error}"
            ),
        }
    }
}
