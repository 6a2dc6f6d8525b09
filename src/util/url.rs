//! Validates a URL before it is used. `http::Uri` accepts texts that would fail only at the first
//! call.

use http::Uri;

/// Parses an http or https URL. It must have a host, no user name or password, and a port of at
/// least 1 if it has one.
///
/// # Errors
/// What the URL must be. The text never contains the URL, which can have a password.
pub fn parse(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "must be a URL")?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("must be an http or https URL");
    };
    let (authority, host) = (authority.as_str(), authority.host());
    if authority.contains('@') {
        return Err("must have no user name or password");
    }
    let port = authority.strip_prefix(host).filter(|_| !host.is_empty()).ok_or("must have a host")?;
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("must have a port from 1 to 65535");
    }
    Ok(uri)
}
