//! The limits of the buckets, and the features of S3 that the simulator doesn't have.

use codepipeline_simulator::{Artifact, Config, Job, Simulator};
use serde_json::{Value, json};

use crate::bucket_client::{
    BUCKET, INPUT, KMS_KEY, OUTPUT, ObjectRequest, artifact_key, assert_error, element, job_with_artifacts,
    with_artifacts,
};
use crate::client::{Connection, Response};
use crate::{JOB, with_config};

#[tokio::test]
async fn objects_are_limited_in_size() {
    let simulator = with_config(Config { max_object_size: 10, ..Config::default() }).await;
    simulator.add_job(job_with_artifacts());
    let key = artifact_key(&simulator, JOB).await;
    assert_eq!(ObjectRequest::put(&key, OUTPUT, "0123456789").send(&simulator).await.status, 200);
    let response = ObjectRequest::put(&key, OUTPUT, "01234567890").send(&simulator).await;
    let text = "Your proposed upload exceeds the maximum allowed size";
    assert_error(&response, 400, "EntityTooLarge", text);
    assert_eq!(element(&response, "ProposedSize"), Some("11"));
    assert_eq!(element(&response, "MaxSizeAllowed"), Some("10"));
    assert_eq!(simulator.bucket_requests().last().unwrap().error_code, Some("EntityTooLarge"));
}

#[tokio::test]
async fn an_object_can_have_10_mib() {
    let (simulator, key) = with_artifacts().await;
    let body = "x".repeat(10 << 20);
    assert_eq!(ObjectRequest::put(&key, OUTPUT, &body).send(&simulator).await.status, 200);
    assert_eq!(simulator.object(BUCKET, OUTPUT).unwrap().body.len(), body.len());
    let response = ObjectRequest::put(&key, OUTPUT, &format!("{body}x")).send(&simulator).await;
    assert_error(&response, 400, "EntityTooLarge", "");
}

#[tokio::test]
async fn objects_are_limited_in_number() {
    let simulator = with_config(Config { max_objects: 1, ..Config::default() }).await;
    let output = |key: &str| Artifact::new(key, BUCKET, key);
    simulator.add_job(Job { output_artifacts: vec![output("1"), output("2")], ..job_with_artifacts() });
    let key = artifact_key(&simulator, JOB).await;
    let put = |object_key: &str| ObjectRequest::put(&key, object_key, "x");
    assert_eq!(put("1").send(&simulator).await.status, 200);
    assert_eq!(put("1").send(&simulator).await.status, 200);
    assert_error(&put("2").send(&simulator).await, 503, "SlowDown", "Please reduce your request rate.");
    assert_eq!(control(&simulator, "DELETE", "objects").await.json(), json!({}));
    assert_eq!(put("2").send(&simulator).await.status, 200);
}

#[tokio::test]
async fn an_upload_needs_a_length() {
    let (simulator, key) = with_artifacts().await;
    let text = "You must provide the Content-Length HTTP header.";
    let upload = ObjectRequest { unsigned: vec![], ..ObjectRequest::put(&key, OUTPUT, "") };
    assert_error(&upload.send(&simulator).await, 411, "MissingContentLength", text);
    let unsigned = vec![("transfer-encoding", "chunked".to_owned())];
    let chunked = ObjectRequest { unsigned, ..ObjectRequest::put(&key, OUTPUT, "1\r\nx\r\n0\r\n\r\n") };
    let response = chunked.send(&simulator).await;
    let text = "A header you provided implies functionality that is not implemented";
    assert_error(&response, 501, "NotImplemented", text);
    assert_eq!(element(&response, "Header"), Some("Transfer-Encoding"));
}

#[tokio::test]
async fn other_operations_are_rejected() {
    let (simulator, key) = with_artifacts().await;
    for method in ["DELETE", "POST", "PATCH"] {
        let response = ObjectRequest { method, ..ObjectRequest::get(&key, INPUT) }.send(&simulator).await;
        let text = "The specified method is not allowed against this resource.";
        assert_error(&response, 405, "MethodNotAllowed", text);
        assert_eq!(response.headers["allow"], "GET, HEAD, PUT");
    }
    let mut range = ObjectRequest::get(&key, INPUT);
    range.unsigned.push(("range", "bytes=0-1".to_owned()));
    let mut copy = ObjectRequest::put(&key, OUTPUT, "");
    copy.signed.push(("x-amz-copy-source", format!("{BUCKET}/{INPUT}")));
    let part = ObjectRequest::put(&key, &format!("{OUTPUT}?partNumber=1"), "x");
    let part_target = part.presign(&simulator).replacen("?X-Amz", "&X-Amz", 1);
    for response in [
        range.send(&simulator).await,
        copy.send(&simulator).await,
        part.send_to(&simulator, &part_target).await,
    ] {
        assert_error(&response, 501, "NotImplemented", "");
    }
}

#[tokio::test]
async fn names_are_checked() {
    let (simulator, key) = with_artifacts().await;
    let other = ObjectRequest { path: "/other-bucket/x".to_owned(), ..ObjectRequest::get(&key, "") };
    let response = other.send(&simulator).await;
    assert_error(&response, 404, "NoSuchBucket", "The specified bucket does not exist");
    assert_eq!(element(&response, "BucketName"), Some("other-bucket"));
    let long = ObjectRequest::get(&key, &"k".repeat(1025)).send(&simulator).await;
    assert_error(&long, 400, "KeyTooLongError", "Your key is too long");
    let not_text = ObjectRequest::get(&key, "%FF").send(&simulator).await;
    assert_error(&not_text, 400, "InvalidURI", "Couldn't parse the specified URI.");
}

async fn control(simulator: &Simulator, method: &str, path: &str) -> Response {
    let headers = [("host", simulator.addr().to_string())];
    let mut connection = Connection::open(simulator.addr()).await.unwrap();
    connection.request(&format!("{method} /_simulator/{path} HTTP/1.1"), &headers, "").await.unwrap();
    connection.response().await.unwrap()
}

#[tokio::test]
async fn objects_and_records_are_listed() {
    let (simulator, key) = with_artifacts().await;
    let put = ObjectRequest::put(&key, OUTPUT, "output").send(&simulator).await;
    let listed = control(&simulator, "GET", "objects").await.json();
    let encryption = json!({ "algorithm": "aws:kms", "kms_key_id": KMS_KEY });
    let content_type = "binary/octet-stream";
    let object = json!({
        "bucket": BUCKET,
        "key": OUTPUT,
        "size": 6,
        "content_type": content_type,
        "encryption": encryption,
    });
    assert_eq!(listed, json!({ "objects": [object] }));
    let content = control(&simulator, "GET", &format!("objects/{BUCKET}/{OUTPUT}")).await;
    assert_eq!((content.status, &*content.body), (200, "output"));
    assert_eq!(control(&simulator, "GET", "objects/other").await.status, 404);

    let records = control(&simulator, "GET", "requests").await.json();
    let record = json!({
        "connection": 2,
        "request_id": put.headers["x-amz-request-id"],
        "method": "PUT",
        "bucket": BUCKET,
        "key": OUTPUT,
        "access_key_id": key.access_key_id,
        "http_status": 200,
        "error_code": Value::Null,
        "error_message": Value::Null,
    });
    assert_eq!(records["bucket_requests"], json!([record]));
}
