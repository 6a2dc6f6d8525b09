//! Finds the bucket and the key that a request is for.

use percent_encoding::percent_decode_str;

use super::error::S3Error;
use crate::object_store::ObjectName;
use crate::protocol::HttpRequest;

/// The suffix of the host in virtual-hosted style, `BUCKET.localhost:PORT`.
const VIRTUAL_HOST: &str = ".localhost";

/// The length of the longest key in bytes.
const LONGEST_KEY: usize = 1024;

/// The bucket and the key, in virtual-hosted style or in path style: `/BUCKET/KEY`. A request for
/// a bucket has an empty key.
pub(super) fn object_name(request: &HttpRequest) -> ObjectName {
    // Only the first slash is a separator. A key can start with further ones.
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let (bucket, key) = match virtual_host(request) {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let [bucket, key] = [bucket, key].map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
    ObjectName { bucket, key }
}

/// Rejects a path that S3 can't decode, and a key that is too long.
pub(super) fn check(request: &HttpRequest, name: &ObjectName) -> Result<(), S3Error> {
    if percent_decode_str(&request.path).decode_utf8().is_err() {
        return Err(S3Error::bad_request("InvalidURI", "Couldn't parse the specified URI."));
    }
    if name.key.len() > LONGEST_KEY {
        let error = S3Error::bad_request("KeyTooLongError", "Your key is too long");
        let size = name.key.len().to_string();
        return Err(error.with("Size", size).with("MaxSizeAllowed", LONGEST_KEY.to_string()));
    }
    Ok(())
}

fn virtual_host(request: &HttpRequest) -> Option<&str> {
    let host = request.header("host")?;
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    host.strip_suffix(VIRTUAL_HOST).filter(|bucket| !bucket.is_empty())
}
