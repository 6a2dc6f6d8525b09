//! What has to be true of a URL that is to be called: `http::Uri` lets pass what would only fail at the first call.

use http::Uri;

/// Reads an http or https URL: with a host, without a user name or password, its port a number from 1 on if it has one.
///
/// # Errors
/// What is wrong with it; never the URL, which may hold a password.
pub fn parse(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("it is not an http or https URL");
    };
    let (authority, host) = (authority.as_str(), authority.host());
    if authority.contains('@') {
        return Err("it has a user name or password in it");
    }
    let port = authority.strip_prefix(host).filter(|_| !host.is_empty()).ok_or("it has no host")?;
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("it has a port that is none");
    }
    Ok(uri)
}
