//! Parses the authentication flags.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use codepipeline_gateway::auth::{
    Access, AccessError, AllowList, Auth, Entry, HttpsUrl, Jwt, KeySource, RefreshSchedule, Rule,
};

const MTLS: &str = "--auth mtls (GATEWAY_AUTH)";
const JWT: &str = "--auth jwt (GATEWAY_AUTH)";
const ALLOW: &str = "--allow (GATEWAY_ALLOW)";
const ISSUER: &str = "--jwt-issuer (GATEWAY_JWT_ISSUER)";
const AUDIENCE: &str = "--jwt-audience (GATEWAY_JWT_AUDIENCE)";
const JWKS: &str = "--jwt-jwks (GATEWAY_JWT_JWKS)";
const CA: &str = "--jwt-ca (GATEWAY_JWT_CA)";
const TOKEN_FILE: &str = "--jwt-jwks-token-file (GATEWAY_JWT_JWKS_TOKEN_FILE)";

/// The authentication mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthMode {
    /// No authentication: any client that reaches the port can call
    None,
    /// Client certificates
    Mtls,
    /// A bearer token, a JWT, in each call
    Jwt,
}

/// The flags for authentication and authorization.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuthArgs {
    /// Authentication mode
    #[arg(long, env = "GATEWAY_AUTH", value_name = "MODE", default_value = "none")]
    auth: AuthMode,
    /// Allowlist, comma-separated or repeated: spiffe://… or dns:… names in client certificates, or
    /// sub:… subjects of tokens; a * can end a spiffe: or sub: name after a / or :, and
    /// =poll,details limits an entry to these operations
    #[arg(long, env = "GATEWAY_ALLOW", value_name = "NAMES", value_delimiter = ',')]
    allow: Vec<Entry>,
    /// Issuer of the tokens, exactly as in their iss claim
    #[arg(long, env = "GATEWAY_JWT_ISSUER", value_name = "ISSUER")]
    jwt_issuer: Option<String>,
    /// Audience that the tokens' aud claim must contain
    #[arg(long, env = "GATEWAY_JWT_AUDIENCE", value_name = "AUDIENCE")]
    jwt_audience: Option<String>,
    /// JWKS with the issuer's verification keys: a file or an https URL, refreshed automatically
    /// [default: the JWKS that the issuer's discovery document names]
    #[arg(long, env = "GATEWAY_JWT_JWKS", value_name = "FILE|URL")]
    jwt_jwks: Option<String>,
    /// PEM file with CA certificates for requests to the issuer, read for each request [default:
    /// the system's]
    #[arg(long, env = "GATEWAY_JWT_CA", value_name = "FILE")]
    jwt_ca: Option<PathBuf>,
    /// File with a bearer token for requests to the issuer, read for each request
    #[arg(long, env = "GATEWAY_JWT_JWKS_TOKEN_FILE", value_name = "FILE")]
    jwt_jwks_token_file: Option<PathBuf>,
}

impl AuthArgs {
    /// Returns the authentication settings if the flags are consistent.
    ///
    /// # Errors
    /// One line that names the flags and variables.
    pub(crate) fn auth(&self, client_ca: bool) -> Result<Auth, String> {
        if self.auth != AuthMode::Jwt
            && let Some(flag) = self.first_jwt_flag()
        {
            return Err(format!("{flag} requires {JWT}"));
        }
        match self.auth {
            AuthMode::None if self.allow.is_empty() => Ok(Auth::None),
            AuthMode::None => Err(format!("{ALLOW} requires {MTLS} or {JWT}")),
            AuthMode::Mtls if !client_ca => {
                Err(format!("{MTLS} requires --tls-client-ca (GATEWAY_TLS_CLIENT_CA)"))
            }
            AuthMode::Mtls => Ok(Auth::Mtls(self.allow_list(MTLS)?)),
            AuthMode::Jwt => Ok(Auth::Jwt(Arc::new(self.jwt()?))),
        }
    }

    /// Returns the first given flag that only the mode `jwt` uses.
    fn first_jwt_flag(&self) -> Option<&'static str> {
        let flags = [
            (self.jwt_issuer.is_some(), ISSUER),
            (self.jwt_audience.is_some(), AUDIENCE),
            (self.jwt_jwks.is_some(), JWKS),
            (self.jwt_ca.is_some(), CA),
            (self.jwt_jwks_token_file.is_some(), TOKEN_FILE),
        ];
        flags.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }

    /// Returns the allowlist. Its rules must match identities of this mode.
    fn allow_list(&self, mode: &str) -> Result<AllowList, String> {
        let tokens = self.auth == AuthMode::Jwt;
        let rules = Rule::join(self.allow.clone()).map_err(|error| format!("{ALLOW}: {error}"))?;
        if rules.iter().any(|rule| rule.is_for_tokens() != tokens) {
            let kind = if tokens { "only sub: names" } else { "only spiffe:// and dns: names" };
            return Err(format!("{ALLOW} accepts {kind} with {mode}"));
        }
        AllowList::new(rules).map_err(|error| format!("{mode} requires {ALLOW}: {error}"))
    }

    fn jwt(&self) -> Result<Jwt, String> {
        let given = |value: &Option<String>, flag| {
            let value = value.clone().filter(|value| !value.trim().is_empty());
            value.ok_or_else(|| format!("{JWT} requires {flag}"))
        };
        let (issuer, audience) = (given(&self.jwt_issuer, ISSUER)?, given(&self.jwt_audience, AUDIENCE)?);
        let list = self.allow_list(JWT)?;
        Ok(Jwt::new(issuer.clone(), &audience, self.key_source(&issuer)?, list, RefreshSchedule::default()))
    }

    fn key_source(&self, issuer: &str) -> Result<KeySource, String> {
        let of = |flag: &str, why: &dyn Display| format!("{flag}: {why}");
        let access = Access::new(self.jwt_ca.clone(), self.jwt_jwks_token_file.clone());
        let access = access.map_err(|error| match error {
            AccessError::Ca(..) => of(CA, &error),
            AccessError::Token(..) => of(TOKEN_FILE, &error),
        })?;
        match &self.jwt_jwks {
            None => KeySource::discovery(issuer, access)
                .map_err(|why| format!("{ISSUER}: {why} to discover the JWKS; otherwise, set {JWKS}")),
            Some(url) if url.contains("://") => {
                HttpsUrl::parse(url).map(|url| KeySource::url(url, access)).map_err(|why| of(JWKS, &why))
            }
            Some(_) if access.is_some() => {
                Err(format!("{CA} and {TOKEN_FILE} have no effect if {JWKS} is a file"))
            }
            Some(path) => KeySource::file(path.into()).map_err(|why| of(JWKS, &why)),
        }
    }
}
