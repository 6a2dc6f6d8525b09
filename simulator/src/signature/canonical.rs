//! The algorithm of Signature Version 4: canonical request, string to sign, signature.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::authorization::ALGORITHM;
use crate::protocol::HttpRequest;

/// All characters except the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same in a path, whose separators stay.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The query parameter with the signature itself, which can't be signed.
const SIGNATURE: &str = "X-Amz-Signature";

/// The canonical request, which signer and verifier compute in the same way. `path` is the
/// canonical path.
pub(super) fn request(
    request: &HttpRequest,
    path: &str,
    signed_headers: &[String],
    payload_hash: &str,
) -> String {
    let headers: Vec<_> =
        signed_headers.iter().map(|name| format!("{name}:{}", header_value(request, name))).collect();
    [
        &*request.method,
        path,
        &query(&request.query),
        &headers.join("\n"),
        // The list of headers ends with an empty line.
        "",
        &signed_headers.join(";"),
        payload_hash,
    ]
    .join("\n")
}

/// The hash of a payload in the canonical request.
pub(crate) fn payload_hash(payload: &[u8]) -> String {
    hex::encode(Sha256::digest(payload))
}

/// S3's canonical path: each character is encoded once, and no part is removed.
pub(crate) fn object_path(raw: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(raw).collect();
    percent_encode(&decoded, RESERVED_IN_PATH).to_string()
}

/// The text to sign. `scope` is day/region/service/terminator.
pub(super) fn string_to_sign(date: &str, scope: &str, canonical_request: &str) -> String {
    [ALGORITHM, date, scope, &hex::encode(Sha256::digest(canonical_request))].join("\n")
}

/// The signature in hexadecimal. Each part of the scope derives the next key.
pub(super) fn signature(secret: &str, scope: &str, to_sign: &str) -> String {
    let start = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(start, |key, part| mac(&key, part));
    hex::encode(mac(&key, to_sign))
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of every length: RFC 2104, section 2")]
fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // proof: RFC 2104, section 2: a key may have any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// All values of a header joined with commas, with single spaces.
fn header_value(request: &HttpRequest, name: &str) -> String {
    let values = request.headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

/// The query's parameters in their canonical encoding, sorted, without the signature.
fn query(raw: &str) -> String {
    let encode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        utf8_percent_encode(&decoded, RESERVED).to_string()
    };
    let mut parameters: Vec<_> = raw
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .filter(|(name, _)| name != SIGNATURE)
        .collect();
    parameters.sort();
    parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    //! AWS's published examples, with the key pair of its documentation.

    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn sign(
        method: &str,
        query: &str,
        headers: &[(&'static str, &'static str)],
        scope: &str,
    ) -> (String, String) {
        let map = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        let date = headers.iter().find(|(name, _)| *name == "x-amz-date").map_or("", |(_, value)| value);
        let wire = HttpRequest {
            method: method.to_owned(),
            path: "/".to_owned(),
            query: query.to_owned(),
            headers: map,
            body: Bytes::new(),
        };
        let mut names: Vec<_> = headers.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        names.dedup();
        let canonical = request(&wire, "/", &names, &payload_hash(b""));
        let to_sign = string_to_sign(date, scope, &canonical);
        (hex::encode(Sha256::digest(&canonical)), signature(SECRET, scope, &to_sign))
    }

    const VANILLA: [(&str, &str); 2] =
        [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];

    /// The worked example of AWS's General Reference.
    #[test]
    fn list_users() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let (hash, signature) = sign(
            "GET",
            "Action=ListUsers&Version=2010-05-08",
            &headers,
            "20150830/us-east-1/iam/aws4_request",
        );
        assert_eq!(hash, "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
        assert_eq!(signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    }

    /// `get-vanilla` of AWS's test suite.
    #[test]
    fn get_vanilla() {
        let (hash, signature) = sign("GET", "", &VANILLA, "20150830/us-east-1/service/aws4_request");
        assert_eq!(hash, "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
        assert_eq!(signature, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    }

    /// `post-vanilla` of AWS's test suite.
    #[test]
    fn post_vanilla() {
        let (_, signature) = sign("POST", "", &VANILLA, "20150830/us-east-1/service/aws4_request");
        assert_eq!(signature, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    }

    /// S3's examples, a presigned download and an upload, whose documentation has its own secret.
    #[test]
    fn s3_requests() {
        let scope = "20130524/us-east-1/s3/aws4_request";
        let sign = |method: &str, path: &str, query: &str, headers: &[(&'static str, &'static str)], hash| {
            let wire = HttpRequest {
                method: method.to_owned(),
                path: path.to_owned(),
                query: query.to_owned(),
                headers: headers
                    .iter()
                    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                    .collect(),
                body: Bytes::new(),
            };
            let names: Vec<_> = headers.iter().map(|(name, _)| (*name).to_owned()).collect();
            let canonical = request(&wire, &object_path(path), &names, hash);
            let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
            signature(secret, scope, &string_to_sign("20130524T000000Z", scope, &canonical))
        };
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
                     us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
                     X-Amz-SignedHeaders=host&X-Amz-Signature=0";
        let host = ("host", "examplebucket.s3.amazonaws.com");
        assert_eq!(
            sign("GET", "/test.txt", query, &[host], "UNSIGNED-PAYLOAD"),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
        let hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            host,
            ("x-amz-content-sha256", hash),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        assert_eq!(
            sign("PUT", "/test$file.text", "", &headers, hash),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }

    #[test]
    fn headers_and_query_are_normalized() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("  one   two "));
        headers.append("a", HeaderValue::from_static("three"));
        let wire = HttpRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: "b=%7e%2f&a&b=+".to_owned(),
            headers,
            body: Bytes::new(),
        };
        assert_eq!(header_value(&wire, "a"), "one two,three");
        assert_eq!(query(&wire.query), "a=&b=%2B&b=~%2F");
    }
}
