//! Signatures of requests to buckets, and S3's errors for them.

use std::time::Duration;

use codepipeline_simulator::{AccessKey, Config};

use crate::bucket_client::{
    BUCKET, INPUT, OUTPUT, ObjectRequest, artifact_key, assert_error, element, job_with_artifacts,
    with_artifacts,
};
use crate::client::Response;
use crate::{JOB, with_config};

const MISMATCH: (u16, &str, &str) = (
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and \
     signing method.",
);

fn assert_mismatch(response: &Response) {
    let (status, code, text) = MISMATCH;
    assert_error(response, status, code, text);
}

#[tokio::test]
async fn a_presigned_request_expires() {
    let (simulator, key) = with_artifacts().await;
    let request = ObjectRequest { lifetime: 60, ..ObjectRequest::get(&key, INPUT) };
    let target = request.presign(&simulator);
    simulator.advance_clock(Duration::from_secs(50));
    assert_eq!(request.send_to(&simulator, &target).await.status, 200);
    simulator.advance_clock(Duration::from_secs(20));
    let response = request.send_to(&simulator, &target).await;
    assert_error(&response, 403, "AccessDenied", "Request has expired");
    assert_eq!(element(&response, "X-Amz-Expires"), Some("60"));
    for name in ["Expires", "ServerTime"] {
        let time = element(&response, name).unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }
}

#[tokio::test]
async fn a_presigned_request_from_the_future_is_rejected() {
    let (simulator, key) = with_artifacts().await;
    let request = |ahead| ObjectRequest { ahead, ..ObjectRequest::get(&key, INPUT) };
    let response = request(930).send(&simulator).await;
    assert_error(&response, 403, "AccessDenied", "Request is not yet valid");
    assert_eq!(request(870).send(&simulator).await.status, 200);
}

#[tokio::test]
async fn keys_expire_before_the_request() {
    let (simulator, key) = with_artifacts().await;
    let request = ObjectRequest { lifetime: 3600, ..ObjectRequest::get(&key, INPUT) };
    let target = request.presign(&simulator);
    simulator.advance_clock(Duration::from_secs(930));
    let response = request.send_to(&simulator, &target).await;
    assert_error(&response, 400, "ExpiredToken", "The provided token has expired.");
}

#[tokio::test]
async fn a_changed_request_is_rejected() {
    let (simulator, key) = with_artifacts().await;
    let request = ObjectRequest::get(&key, INPUT);
    let target = request.presign(&simulator);
    for changed in [
        target.replace(INPUT, "in/2.zip"),
        target.replace("X-Amz-Expires=900", "X-Amz-Expires=901"),
        format!("{target}&x-id=GetObject"),
        format!("{target}0"),
    ] {
        assert_mismatch(&request.send_to(&simulator, &changed).await);
    }
    let upload = ObjectRequest::put(&key, OUTPUT, "x");
    let target = upload.presign(&simulator);
    let mut other_key = upload.clone();
    other_key.signed[1].1 = "alias/other".to_owned();
    let unencrypted = ObjectRequest { signed: vec![], ..upload.clone() };
    let read = ObjectRequest { method: "GET", ..upload };
    for changed in [other_key, unencrypted, read] {
        let response = changed.send_to(&simulator, &target).await;
        assert_mismatch(&response);
        assert!(element(&response, "StringToSign").unwrap().starts_with("AWS4-HMAC-SHA256\n"));
        assert!(element(&response, "CanonicalRequest").unwrap().ends_with("\nUNSIGNED-PAYLOAD"));
    }
}

#[tokio::test]
async fn every_amz_header_must_be_signed() {
    let (simulator, key) = with_artifacts().await;
    let mut upload = ObjectRequest::put(&key, OUTPUT, "x");
    upload.unsigned.push(("x-amz-meta-a", "b".to_owned()));
    for response in [upload.send(&simulator).await, upload.send_authorized(&simulator).await] {
        let text = "There were headers present in the request which were not signed";
        assert_error(&response, 403, "AccessDenied", text);
        assert_eq!(element(&response, "HeadersNotSigned"), Some("x-amz-meta-a"));
    }
    // Other headers can be unsigned.
    let mut request = ObjectRequest::get(&key, INPUT);
    request.unsigned.push(("accept", "*/*".to_owned()));
    assert_eq!(request.send(&simulator).await.status, 200);
}

#[tokio::test]
async fn only_the_keys_of_details_are_known() {
    let (simulator, key) = with_artifacts().await;
    let without_token = AccessKey { session_token: None, ..key.clone() };
    for unknown in [AccessKey::fake(), AccessKey::fake_temporary(), without_token] {
        let response = ObjectRequest::get(&unknown, INPUT).send(&simulator).await;
        let text = "The AWS Access Key Id you provided does not exist in our records.";
        assert_error(&response, 403, "InvalidAccessKeyId", text);
        assert_eq!(element(&response, "AWSAccessKeyId"), Some(&*unknown.access_key_id));
    }
    let wrong_secret = AccessKey { secret_access_key: "another-fake-secret".to_owned(), ..key.clone() };
    assert_mismatch(&ObjectRequest::get(&wrong_secret, INPUT).send(&simulator).await);
    let wrong_token = key.with_session_token("another-fake-token");
    let response = ObjectRequest::get(&wrong_token, INPUT).send(&simulator).await;
    assert_error(&response, 400, "InvalidToken", "The provided token is malformed or otherwise invalid.");
}

#[tokio::test]
async fn the_scope_is_checked() {
    let simulator = with_config(Config { region: Some("eu-west-1".to_owned()), ..Config::default() }).await;
    simulator.add_job(job_with_artifacts());
    let key = artifact_key(&simulator, JOB).await;
    let request = ObjectRequest::get(&key, INPUT);
    assert_eq!(request.send(&simulator).await.status, 200);
    let (in_query, in_header) = ("AuthorizationQueryParametersError", "AuthorizationHeaderMalformed");

    let elsewhere = ObjectRequest { region: "us-east-1", ..request.clone() };
    let text = "the region 'us-east-1' is wrong; expecting 'eu-west-1'";
    let response = elsewhere.send(&simulator).await;
    assert_error(&response, 400, in_query, text);
    assert_eq!(element(&response, "Region"), Some("eu-west-1"));
    assert_error(&elsewhere.send_authorized(&simulator).await, 400, in_header, text);

    let other_service = ObjectRequest { service: "codepipeline", ..request.clone() };
    let text = "incorrect service &quot;codepipeline&quot;. This endpoint belongs to &quot;s3&quot;.";
    assert_error(&other_service.send(&simulator).await, 400, in_query, text);

    let target = request.presign(&simulator);
    for (from, to, text) in [
        ("aws4_request", "aws5_request", "incorrect terminal"),
        ("%2Fs3%2F", "%2F", "the Credential is mal-formed"),
        ("%2F20", "%2F19", "Invalid credential date &quot;19"),
    ] {
        let response = request.send_to(&simulator, &target.replacen(from, to, 1)).await;
        assert_error(&response, 400, in_query, text);
    }
}

#[tokio::test]
async fn query_parameters_are_checked() {
    let (simulator, key) = with_artifacts().await;
    let request = ObjectRequest::get(&key, INPUT);
    let target = request.presign(&simulator);
    let requires = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, ";
    for (from, to, text) in [
        ("X-Amz-Expires=900", "", requires),
        ("X-Amz-Expires=900", "X-Amz-Expires=", requires),
        ("X-Amz-Expires=900", "X-Amz-Expires=-1", "X-Amz-Expires must be non-negative"),
        ("X-Amz-Expires=900", "X-Amz-Expires=x", "X-Amz-Expires should be a number"),
        ("X-Amz-Expires=900", "X-Amz-Expires=604801", "X-Amz-Expires must be less than a week"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "X-Amz-Algorithm only supports"),
        ("X-Amz-Date=", "X-Amz-Date=x", "X-Amz-Date must be in the ISO8601 Long Format"),
    ] {
        let response = request.send_to(&simulator, &target.replacen(from, to, 1)).await;
        assert_error(&response, 400, "AuthorizationQueryParametersError", text);
    }
}

#[tokio::test]
async fn other_authentication_is_rejected() {
    let (simulator, key) = with_artifacts().await;
    let request = ObjectRequest::get(&key, INPUT);
    let target = request.presign(&simulator);
    let path = format!("/{BUCKET}/{INPUT}");
    let version_2 = format!("{path}?AWSAccessKeyId=a&Expires=1&Signature=b");
    let unsupported = "Please use AWS4-HMAC-SHA256.";
    for (target, authorization, (status, code, text)) in [
        (&path, "", (403, "AccessDenied", "Access Denied")),
        (&version_2, "", (400, "InvalidRequest", unsupported)),
        (&path, "AWS a:b", (400, "InvalidRequest", unsupported)),
        (&path, "Bearer fake", (400, "InvalidArgument", "Unsupported Authorization Type")),
        (&target, "Bearer fake", (400, "InvalidArgument", "Only one auth mechanism allowed")),
        (&path, "AWS4-HMAC-SHA256 a=b", (400, "AuthorizationHeaderMalformed", "is malformed; ")),
    ] {
        let unsigned = vec![("authorization", authorization.to_owned())];
        let unsigned = if authorization.is_empty() { vec![] } else { unsigned };
        let request = ObjectRequest { unsigned, ..request.clone() };
        assert_error(&request.send_to(&simulator, target).await, status, code, text);
    }
}

#[tokio::test]
async fn the_authorization_header_is_verified() {
    let (simulator, key) = with_artifacts().await;
    let upload = ObjectRequest::put(&key, OUTPUT, "output");
    assert_eq!(upload.send_authorized(&simulator).await.status, 200);
    assert_eq!(simulator.object(BUCKET, OUTPUT).unwrap().body, "output");
    let get = ObjectRequest::get(&key, INPUT);
    assert_eq!(get.send_authorized(&simulator).await.status, 200);

    let skewed = ObjectRequest { ahead: -930, ..get.clone() }.send_authorized(&simulator).await;
    let text = "The difference between the request time and the current time is too large.";
    assert_error(&skewed, 403, "RequestTimeTooSkewed", text);
    assert_eq!(element(&skewed, "MaxAllowedSkewMilliseconds"), Some("900000"));
    let wrong_secret = AccessKey { secret_access_key: "another-fake-secret".to_owned(), ..key };
    assert_mismatch(&ObjectRequest { key: wrong_secret, ..get }.send_authorized(&simulator).await);
}

#[tokio::test]
async fn a_signed_hash_of_the_body_is_verified() {
    let (simulator, key) = with_artifacts().await;
    let mut upload = ObjectRequest::put(&key, OUTPUT, "output");
    // The hash of the body "other".
    let other = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
    upload.signed.push(("x-amz-content-sha256", String::new()));
    for (value, status, code) in [
        (other, 400, "XAmzContentSHA256Mismatch"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", 501, "NotImplemented"),
        ("x", 400, "InvalidArgument"),
    ] {
        upload.signed.last_mut().unwrap().1 = value.to_owned();
        let target = upload.presign(&simulator);
        let response = upload.send_to(&simulator, &target).await;
        assert_error(&response, status, code, "");
    }
    assert_eq!(simulator.object(BUCKET, OUTPUT), None);
}
