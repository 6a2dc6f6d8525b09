//! Signed requests for many configurations, buckets, and keys. tests/boto3/presigned.py compares
//! their signatures with botocore's.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::Presigner;
use super::presigner::VALIDITY;
use crate::operations::{Artifact, ArtifactRequest, JobDetails, SessionCredentials};

const KMS_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/k 1";
/// 2027-01-15T08:00:00Z.
const SIGNED_AT: u64 = 1_800_000_000;

fn config(region: &'static str, fips: bool, dual_stack: bool, endpoint: Option<&str>) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(region))
        .use_fips(fips)
        .use_dual_stack(dual_stack);
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.build()
}

fn plain() -> SdkConfig {
    config("eu-west-1", false, false, None)
}

fn artifact(bucket: &str, key: &str) -> Artifact {
    Artifact { bucket_name: bucket.into(), object_key: key.into(), ..Artifact::default() }
}

/// A job that reads and writes the same artifact.
fn job(bucket: &str, key: &str) -> JobDetails {
    JobDetails {
        input_artifacts: vec![artifact(bucket, key)],
        output_artifacts: vec![artifact(bucket, key)],
        artifact_credentials: Some(SessionCredentials {
            access_key_id: "ASIAEXAMPLE".into(),
            secret_access_key: "example-secret".into(),
            session_token: "example/session+token=".into(),
        }),
        ..JobDetails::default()
    }
}

fn with_key(job: JobDetails, id: &str, kind: &str) -> JobDetails {
    JobDetails { encryption_key: Some((id.into(), kind.into())), ..job }
}

async fn presigner(config: &SdkConfig) -> Result<Presigner, String> {
    Presigner::new(config, config.endpoint_url().map(str::to_owned)).await
}

/// The requests for the job's first input and output artifact.
async fn sign(config: &SdkConfig, mut job: JobDetails) -> [Option<ArtifactRequest>; 2] {
    let signed_at = SystemTime::UNIX_EPOCH + Duration::from_millis(SIGNED_AT * 1000 + 999);
    let presigner = presigner(config).await.unwrap();
    presigner.presign(&mut job, signed_at).await;
    [job.input_artifacts[0].request.clone(), job.output_artifacts[0].request.clone()]
}

/// The URL of a download without its query.
async fn address(config: &SdkConfig, bucket: &str, key: &str) -> String {
    let [download, upload] = sign(config, job(bucket, key)).await.map(Option::unwrap);
    let [download, upload] =
        [download, upload].map(|request| request.url.expose().split_once('?').unwrap().0.to_owned());
    assert_eq!(download, upload);
    download
}

fn query(request: &ArtifactRequest) -> BTreeMap<String, String> {
    let (_, query) = request.url.expose().split_once('?').unwrap();
    let decode = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

#[tokio::test]
async fn a_request_has_its_method_its_time_and_only_the_headers_to_send() {
    let [download, upload] = sign(&plain(), job("bucket", "a/b.zip")).await.map(Option::unwrap);
    assert_eq!((download.method, upload.method), ("GET", "PUT"));
    for (request, operation) in [(&download, "GetObject"), (&upload, "PutObject")] {
        let expected = BTreeMap::from([
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "ASIAEXAMPLE/20270115/eu-west-1/s3/aws4_request"),
            ("X-Amz-Date", "20270115T080000Z"),
            ("X-Amz-Expires", "840"),
            ("X-Amz-Security-Token", "example/session+token="),
            ("X-Amz-SignedHeaders", "host"),
            ("x-id", operation),
        ]);
        let mut query = query(request);
        assert_eq!(query.remove("X-Amz-Signature").unwrap().len(), 64);
        assert_eq!(query, expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
        assert!(request.headers.is_empty(), "{:?}", request.headers);
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(SIGNED_AT) + VALIDITY;
        assert_eq!(request.expires_at, expires);
        let shown = format!("{request:?} {request:#?}");
        assert!(!shown.contains("amazonaws") && !shown.contains("X-Amz"), "{shown}");
    }
}

#[tokio::test]
async fn an_upload_is_encrypted_with_the_key_of_the_job() {
    let [download, upload] =
        sign(&plain(), with_key(job("bucket", "key"), KMS_KEY, "KMS")).await.map(Option::unwrap);
    let expected = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", KMS_KEY),
    ];
    assert_eq!(upload.headers, expected.map(|(name, value)| (name.into(), value.into())).into());
    let signed = "host;x-amz-server-side-encryption;x-amz-server-side-encryption-aws-kms-key-id";
    assert_eq!(query(&upload)["X-Amz-SignedHeaders"], signed);
    assert!(download.headers.is_empty());
    assert_eq!(query(&download)["X-Amz-SignedHeaders"], "host");
    for (id, kind) in [(KMS_KEY, "New"), ("", "KMS"), (KMS_KEY, "")] {
        let [_, upload] = sign(&plain(), with_key(job("bucket", "key"), id, kind)).await;
        assert!(upload.unwrap().headers.is_empty(), "{id} {kind}");
    }
}

#[tokio::test]
async fn what_cannot_be_signed_has_no_request() {
    let none = |[download, upload]: [Option<ArtifactRequest>; 2]| download.is_none() && upload.is_none();
    for (bucket, key) in [("", "key"), ("bucket", ""), ("", "")] {
        assert!(none(sign(&plain(), job(bucket, key)).await), "{bucket:?} {key:?}");
    }
    let without = JobDetails { artifact_credentials: None, ..job("bucket", "key") };
    assert!(none(sign(&plain(), without).await));
    let mut empty = job("bucket", "key");
    empty.artifact_credentials.as_mut().unwrap().secret_access_key.clear();
    assert!(none(sign(&plain(), empty).await));
    // The SDK rejects a blank key, its endpoint rules an ARN of nothing, and a header a line break.
    assert!(none(sign(&plain(), job("bucket", " ")).await));
    assert!(none(sign(&plain(), job("arn:aws:s3:eu-west-1:123456789012:nothing", "key")).await));
    let [download, upload] = sign(&plain(), with_key(job("bucket", "key"), "line\nbreak", "KMS")).await;
    assert!(download.is_some() && upload.is_none());
    // One artifact doesn't change the next.
    let mut mixed = job("", "key");
    mixed.input_artifacts.push(artifact("bucket", "key"));
    presigner(&plain()).await.unwrap().presign(&mut mixed, SystemTime::UNIX_EPOCH).await;
    assert!(mixed.input_artifacts[0].request.is_none() && mixed.input_artifacts[1].request.is_some());
}

#[tokio::test]
async fn no_date_of_a_response_panics() {
    let presigner = presigner(&plain()).await.unwrap();
    // The first and the last date that HTTP can express since 1970, and an earlier one.
    let [first, last] = [0, 253_402_300_799].map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at));
    for (at, shown) in [
        (first, "19700101T000000Z"),
        (last, "99991231T235959Z"),
        (first - Duration::from_secs(1), "19700101T000000Z"),
    ] {
        let mut job = job("bucket", "key");
        presigner.presign(&mut job, at).await;
        assert_eq!(query(job.input_artifacts[0].request.as_ref().unwrap())["X-Amz-Date"], shown);
    }
}

#[tokio::test]
async fn credentials_without_a_session_token_sign_without_one() {
    let mut job = job("bucket", "key");
    job.artifact_credentials.as_mut().unwrap().session_token.clear();
    let [download, _] = sign(&plain(), job).await.map(Option::unwrap);
    assert!(!query(&download).contains_key("X-Amz-Security-Token"));
}

#[tokio::test]
async fn the_host_follows_the_partition_and_the_switches() {
    let rows = [
        ("eu-west-1", false, false, "https://bucket.s3.eu-west-1.amazonaws.com/key"),
        ("us-east-1", false, false, "https://bucket.s3.us-east-1.amazonaws.com/key"),
        ("cn-north-1", false, false, "https://bucket.s3.cn-north-1.amazonaws.com.cn/key"),
        ("us-gov-west-1", false, false, "https://bucket.s3.us-gov-west-1.amazonaws.com/key"),
        ("us-iso-east-1", false, false, "https://bucket.s3.us-iso-east-1.c2s.ic.gov/key"),
        ("us-isob-east-1", false, false, "https://bucket.s3.us-isob-east-1.sc2s.sgov.gov/key"),
        ("us-east-1", true, false, "https://bucket.s3-fips.us-east-1.amazonaws.com/key"),
        ("us-gov-west-1", true, false, "https://bucket.s3-fips.us-gov-west-1.amazonaws.com/key"),
        ("eu-west-1", false, true, "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/key"),
        ("cn-north-1", false, true, "https://bucket.s3.dualstack.cn-north-1.amazonaws.com.cn/key"),
        ("us-east-1", true, true, "https://bucket.s3-fips.dualstack.us-east-1.amazonaws.com/key"),
        ("new-region-9", false, false, "https://bucket.s3.new-region-9.amazonaws.com/key"),
    ];
    for (region, fips, dual_stack, expected) in rows {
        let config = config(region, fips, dual_stack, None);
        assert_eq!(address(&config, "bucket", "key").await, expected);
        let presigner = presigner(&config).await.unwrap();
        assert_eq!(format!("{}/key", presigner.endpoint().replace("https://", "https://bucket.")), expected);
    }
    let unknown = presigner(&config("cn-north-1", true, false, None)).await;
    assert!(unknown.unwrap_err().contains("FIPS"));
}

#[tokio::test]
async fn a_bucket_that_cannot_be_a_host_is_in_the_path() {
    for (bucket, expected) in [
        ("a.b", "https://s3.eu-west-1.amazonaws.com/a.b/key"),
        ("Upper", "https://s3.eu-west-1.amazonaws.com/Upper/key"),
        ("a_b", "https://s3.eu-west-1.amazonaws.com/a_b/key"),
        ("-a", "https://s3.eu-west-1.amazonaws.com/-a/key"),
        // A directory bucket, for which the SDK would call S3 first.
        ("b--euw1-az1--x-s3", "https://b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com/key"),
    ] {
        assert_eq!(address(&plain(), bucket, "key").await, expected);
    }
    let own = |endpoint| config("eu-west-1", false, false, Some(endpoint));
    for (endpoint, expected) in [
        ("http://127.0.0.1:4599", "http://127.0.0.1:4599/bucket/key"),
        ("http://127.0.0.1:4599/", "http://127.0.0.1:4599/bucket/key"),
        ("http://[::1]:4599", "http://[::1]:4599/bucket/key"),
        ("https://s3.example.com", "https://bucket.s3.example.com/key"),
        ("https://s3.example.com:8443/base", "https://bucket.s3.example.com:8443/base/key"),
        ("https://s3.example.com:8443/base/", "https://bucket.s3.example.com:8443/base/key"),
        ("https://10.0.0.1/base", "https://10.0.0.1/base/bucket/key"),
        ("https://10.0.0.1/base/", "https://10.0.0.1/base/bucket/key"),
    ] {
        assert_eq!(address(&own(endpoint), "bucket", "key").await, expected);
    }
    let base = own("https://s3.example.com/base");
    assert_eq!(address(&base, "a.b", "/key").await, "https://s3.example.com/base/a.b//key");
}

#[tokio::test]
async fn a_key_is_not_normalized() {
    for (key, expected) in [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a?b=c&d=e#f", "a%3Fb%3Dc%26d%3De%23f"),
        ("a%20b%", "a%2520b%25"),
        ("ü/界/🦀", "%C3%BC/%E7%95%8C/%F0%9F%A6%80"),
        ("a//b/", "a//b/"),
        ("/a", "/a"),
        ("//a", "//a"),
        ("/", "/"),
        ("a/./b/../c", "a/./b/../c"),
        ("..", ".."),
        ("~-._!*'();:@$,[]", "~-._%21%2A%27%28%29%3B%3A%40%24%2C%5B%5D"),
        ("\u{1}\n\u{7f}\\\"<>^`{|}", "%01%0A%7F%5C%22%3C%3E%5E%60%7B%7C%7D"),
    ] {
        let expected_path = format!("https://bucket.s3.eu-west-1.amazonaws.com/{expected}");
        assert_eq!(address(&plain(), "bucket", key).await, expected_path);
        let expected_path = format!("https://s3.eu-west-1.amazonaws.com/a.b/{expected}");
        assert_eq!(address(&plain(), "a.b", key).await, expected_path);
    }
}

proptest! {
    #[test]
    fn every_key_comes_back_from_its_url(
        bucket in "[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]|\\PC{1,8}",
        key in "\\PC{1,40}|[/. +%?#&=a]{1,20}",
        kms in proptest::option::of("[ -~]{0,20}"),
        id in "[A-Z0-9]{4,20}",
        token in "[ -~]{0,60}",
    ) {
        prop_assume!(!bucket.trim().is_empty() && !key.trim().is_empty());
        let mut job = job(&bucket, &key);
        let credentials = job.artifact_credentials.as_mut().unwrap();
        (credentials.access_key_id, credentials.session_token) = (id, token);
        job.encryption_key = kms.map(|kms| (kms, "KMS".into()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for request in runtime.block_on(sign(&plain(), job)) {
            let request = request.unwrap();
            let url = request.url.expose();
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
            let (address, _) = url.split_once('?').unwrap();
            let path = percent_decode_str(address).decode_utf8().unwrap().into_owned();
            prop_assert!(path.ends_with(&format!("/{key}")), "{path} {key}");
            prop_assert!(path.contains(&bucket));
            let mut signed: Vec<String> = request.headers.keys().cloned().collect();
            signed.push("host".into());
            signed.sort();
            prop_assert_eq!(query(&request)["X-Amz-SignedHeaders"].clone(), signed.join(";"));
        }
    }
}
