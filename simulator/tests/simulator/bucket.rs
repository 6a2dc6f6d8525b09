//! Uploads and downloads of artifacts, and the permissions for them.

use codepipeline_simulator::{
    AccessKey, Artifact, ArtifactContent, BucketRecord, Encryption, Job, Simulator,
};

use crate::bucket_client::{
    BUCKET, INPUT, KMS_KEY, OUTPUT, ObjectRequest, artifact_key, assert_error, job_with_artifacts,
    with_artifacts,
};
use crate::{NONCE, TOKEN};

/// Replaces the job by one with this input artifact.
fn set_input(simulator: &Simulator, object_key: &str, content: ArtifactContent) {
    let artifact = Artifact { content, ..Artifact::new("Source", BUCKET, object_key) };
    simulator.add_job(Job { input_artifacts: vec![artifact], ..job_with_artifacts() });
}

#[tokio::test]
async fn an_input_artifact_is_downloaded() {
    let (simulator, key) = with_artifacts().await;
    let response = ObjectRequest::get(&key, INPUT).send(&simulator).await;
    assert_eq!(
        (response.status, &*response.body),
        (200, "The simulator's content of the artifact Source.\n")
    );
    for (header, value) in [
        ("content-type", "binary/octet-stream"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", KMS_KEY),
    ] {
        assert_eq!(response.headers[header], value);
    }
    httpdate::parse_http_date(&response.headers["last-modified"]).unwrap();

    set_input(&simulator, INPUT, ArtifactContent::Text("content ü".to_owned()));
    let response = ObjectRequest::get(&key, INPUT).send(&simulator).await;
    assert_eq!(response.body, "content ü");
    // The MD5 hash.
    assert_eq!(response.headers["etag"], "\"d1a0128520da73c85eba20109583ce66\"");
}

#[tokio::test]
async fn a_missing_input_artifact_has_no_object() {
    let (simulator, key) = with_artifacts().await;
    set_input(&simulator, "in/<1>&.zip", ArtifactContent::Missing);
    let response = ObjectRequest::get(&key, "in/%3C1%3E%26.zip").send(&simulator).await;
    assert_error(&response, 404, "NoSuchKey", "The specified key does not exist.");
    assert!(response.body.contains("<Key>in/&lt;1&gt;&amp;.zip</Key>"), "{}", response.body);
}

#[tokio::test]
async fn an_output_artifact_is_uploaded() {
    let (simulator, key) = with_artifacts().await;
    assert_eq!(simulator.object(BUCKET, OUTPUT), None);
    let mut upload = ObjectRequest::put(&key, OUTPUT, "first");
    // SDKs sign the length too.
    upload.signed.append(&mut upload.unsigned);
    upload.signed.push(("content-type", "application/zip".to_owned()));
    let response = upload.send(&simulator).await;
    assert_eq!((response.status, &*response.body), (200, ""));
    assert_eq!(response.headers["etag"], "\"8b04d5e3775d298e78455efc5ca404d5\"");
    assert_eq!(response.headers["x-amz-server-side-encryption-aws-kms-key-id"], KMS_KEY);
    assert!(response.headers.contains_key("x-amz-request-id"));
    assert!(!response.headers.contains_key("x-amzn-requestid"));
    assert_eq!(simulator.object(BUCKET, OUTPUT).unwrap().content_type, "application/zip");

    assert_eq!(ObjectRequest::put(&key, OUTPUT, "second").send(&simulator).await.status, 200);
    let object = simulator.object(BUCKET, OUTPUT).unwrap();
    assert_eq!((&*object.body, object.encryption), ("second".as_bytes(), Encryption::kms(KMS_KEY)));
    assert_eq!(object.content_type, "binary/octet-stream");
}

/// The next action of a pipeline reads the output of the previous action.
#[tokio::test]
async fn an_uploaded_object_is_downloaded_by_another_job() {
    let (simulator, key) = with_artifacts().await;
    assert_eq!(ObjectRequest::put(&key, OUTPUT, "output").send(&simulator).await.status, 200);
    simulator.add_job(Job {
        input_artifacts: vec![Artifact::new("Build", BUCKET, OUTPUT)],
        ..Job::new("job-2", NONCE, TOKEN)
    });
    let key = artifact_key(&simulator, "job-2").await;
    let response = ObjectRequest::get(&key, OUTPUT).send(&simulator).await;
    assert_eq!((response.status, &*response.body), (200, "output"));
    assert_eq!(response.headers["x-amz-server-side-encryption"], "aws:kms");
}

#[tokio::test]
async fn keys_are_limited_to_the_artifacts_of_their_job() {
    let (simulator, key) = with_artifacts().await;
    simulator.add_job(Job {
        input_artifacts: vec![Artifact::new("Other", BUCKET, "other.zip")],
        ..Job::new("job-2", NONCE, TOKEN)
    });
    let other_key = artifact_key(&simulator, "job-2").await;
    let (get, put) = ("s3:GetObject", "s3:PutObject");
    for (request, action) in [
        (ObjectRequest::get(&other_key, INPUT), get),
        (ObjectRequest::get(&key, "other.zip"), get),
        (ObjectRequest::get(&key, OUTPUT), get),
        (ObjectRequest::put(&other_key, OUTPUT, "x"), put),
        (ObjectRequest::put(&key, INPUT, "x"), put),
        (ObjectRequest::get(&key, ""), "s3:ListBucket"),
        (ObjectRequest::put(&key, "", ""), "s3:CreateBucket"),
    ] {
        let response = request.send(&simulator).await;
        let text = format!("because no session policy allows the {action} action");
        assert_error(&response, 403, "AccessDenied", &text);
    }
    assert_eq!(ObjectRequest::get(&other_key, "other.zip").send(&simulator).await.status, 200);
}

#[tokio::test]
async fn an_upload_must_be_encrypted_with_the_key_of_the_job() {
    let (simulator, key) = with_artifacts().await;
    let (algorithm, key_id) = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id");
    let denied = (403, "AccessDenied", "with an explicit deny in a resource-based policy");
    let unsupported = (400, "InvalidArgument", "The encryption method specified is not supported");
    for (headers, (status, code, text)) in [
        (vec![], denied),
        (vec![(algorithm, "AES256")], denied),
        (vec![(algorithm, "aws:kms")], denied),
        (vec![(algorithm, "aws:kms"), (key_id, "alias/other")], denied),
        (vec![(algorithm, "rot13")], unsupported),
        (vec![(key_id, KMS_KEY)], (400, "InvalidArgument", "requires HTTP header")),
    ] {
        let mut upload = ObjectRequest::put(&key, OUTPUT, "x");
        upload.signed = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        assert_error(&upload.send(&simulator).await, status, code, text);
    }
    assert_eq!(simulator.object(BUCKET, OUTPUT), None);

    simulator.add_job(Job { encryption_key: None, ..job_with_artifacts() });
    let upload = ObjectRequest { signed: vec![], ..ObjectRequest::put(&key, OUTPUT, "x") };
    let response = upload.send(&simulator).await;
    assert_eq!((response.status, &*response.headers[algorithm]), (200, "AES256"));
    assert_eq!(simulator.object(BUCKET, OUTPUT).unwrap().encryption, Encryption::default());
}

#[tokio::test]
async fn keys_of_an_object_are_any_text() {
    let (simulator, key) = with_artifacts().await;
    for (object_key, path) in [
        ("a b+c/é.zip", "a%20b%2Bc/%C3%A9.zip"),
        ("/a//../b/./", "/a//../b/./"),
        ("a=b&c?d#e%2F", "a%3Db%26c%3Fd%23e%252F"),
        ("~-_.!*'()", "~-_.%21%2A%27%28%29"),
    ] {
        set_input(&simulator, object_key, ArtifactContent::Default);
        for response in [
            ObjectRequest::get(&key, path).send(&simulator).await,
            ObjectRequest::get(&key, path).send_authorized(&simulator).await,
        ] {
            assert_eq!(response.status, 200, "{object_key}: {}", response.body);
        }
        assert_eq!(simulator.bucket_requests().last().unwrap().key, object_key);
    }
}

#[tokio::test]
async fn a_bucket_has_a_host_of_its_own() {
    let (simulator, key) = with_artifacts().await;
    let host = Some(format!("{BUCKET}.localhost:{}", simulator.addr().port()));
    let request = ObjectRequest { path: format!("/{INPUT}"), host, ..ObjectRequest::get(&key, "") };
    assert_eq!(request.send(&simulator).await.status, 200);
}

#[tokio::test]
async fn head_returns_the_headers_only() {
    let (simulator, key) = with_artifacts().await;
    set_input(&simulator, INPUT, ArtifactContent::Text("content".to_owned()));
    let mut request = ObjectRequest { method: "HEAD", ..ObjectRequest::get(&key, INPUT) };
    request.unsigned.push(("connection", "close".to_owned()));
    let target = request.presign(&simulator);
    let response = request.write(&simulator, &target, vec![]).await.read_to_end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("content-length: 7\r\n") && response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn every_request_is_recorded() {
    let (simulator, key) = with_artifacts().await;
    let stored = ObjectRequest::put(&key, OUTPUT, "x").send(&simulator).await;
    let denied = ObjectRequest::get(&AccessKey::fake(), INPUT).send(&simulator).await;
    let calls = simulator.requests().len();
    let record = |response: &crate::client::Response, method: &str, key: &str, id: &str| BucketRecord {
        connection: 0,
        request_id: response.headers["x-amz-request-id"].clone(),
        method: method.to_owned(),
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        access_key_id: Some(id.to_owned()),
        http_status: response.status,
        error_code: None,
        error_message: None,
    };
    let expected = [
        BucketRecord { connection: 2, ..record(&stored, "PUT", OUTPUT, &key.access_key_id) },
        BucketRecord {
            connection: 3,
            error_code: Some("InvalidAccessKeyId"),
            error_message: Some(
                "The AWS Access Key Id you provided does not exist in our records.".to_owned(),
            ),
            ..record(&denied, "GET", INPUT, &AccessKey::fake().access_key_id)
        },
    ];
    assert_eq!(simulator.bucket_requests(), expected);
    // The API's records are others.
    assert_eq!((calls, simulator.requests().len()), (1, 1));
}
