//! Who may call.

use clap::{Args, ValueEnum};
use codepipeline_gateway::auth::{AllowList, Auth, Rule};

/// How callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthMode {
    /// Not at all: whoever reaches the port may call
    None,
    /// By the names in their client certificate
    Mtls,
}

/// Who may call.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuthArgs {
    /// How callers are told apart
    #[arg(long, env = "GATEWAY_AUTH", value_name = "MODE", default_value = "none")]
    auth: AuthMode,
    /// Who may call, comma-separated or repeated: spiffe://… or dns:… as in their certificates; a * may end a spiffe: name right after a / or :
    #[arg(long, env = "GATEWAY_ALLOW", value_name = "NAMES", value_delimiter = ',')]
    allow: Vec<Rule>,
}

impl AuthArgs {
    /// Who may call, once that makes sense together.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn auth(&self, client_ca: bool) -> Result<Auth, String> {
        const MTLS: &str = "--auth mtls (GATEWAY_AUTH)";
        match (self.auth, AllowList::new(self.allow.clone())) {
            (AuthMode::None, Err(_)) => Ok(Auth::None),
            (AuthMode::None, Ok(_)) => Err(format!("--allow (GATEWAY_ALLOW) does nothing without {MTLS}")),
            (AuthMode::Mtls, _) if !client_ca => {
                Err(format!("{MTLS} needs --tls-client-ca (GATEWAY_TLS_CLIENT_CA)"))
            }
            (AuthMode::Mtls, Err(error)) => Err(format!("{MTLS} needs --allow (GATEWAY_ALLOW): {error}")),
            (AuthMode::Mtls, Ok(list)) => Ok(Auth::Mtls(list)),
        }
    }
}
