//! GetThirdPartyJobDetails: the presigned requests for a job's artifacts.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use codepipeline_gateway::operations::ArtifactCredentials;
use codepipeline_gateway::proto::{self, ArtifactRequest, ThirdPartyJobData};
use codepipeline_simulator::{AnswerFault, Artifact, EncryptionKey, Fault, Job, OperationName, Simulator};
use percent_encoding::percent_decode_str;

use crate::harness::process::serve_command;
use crate::harness::{
    NONCE, Scratch, TOKEN, World, channel, details_request, simulator_with, unary, until_serving,
};

const KMS_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/k";
const VALIDITY: Duration = Duration::from_secs(14 * 60);
const DETAILS: OperationName = OperationName::GetThirdPartyJobDetails;

fn job() -> Job {
    Job {
        input_artifacts: vec![
            Artifact::new("in-1", "bucket-1", "a/b/c.zip"),
            Artifact::new("in-2", "bucket.2", "d é+?#%&=.zip"),
        ],
        output_artifacts: vec![
            Artifact::new("out-1", "bucket-1", "e.zip"),
            Artifact::new("out-2", "bucket-3", "/f//../g"),
        ],
        ..Job::new("job-1", NONCE, TOKEN)
    }
}

fn encrypted_job() -> Job {
    Job { encryption_key: Some(EncryptionKey::kms(KMS_KEY)), ..job() }
}

async fn read(world: &World) -> ThirdPartyJobData {
    let answer = unary(world.gateway.channel.clone(), details_request("job-1")).await;
    answer.ok().job_details.clone().unwrap().data.unwrap()
}

async fn read_job(world: &World, job: Job) -> ThirdPartyJobData {
    world.simulator.add_job(job);
    read(world).await
}

fn requests(artifacts: &[proto::Artifact]) -> Vec<&ArtifactRequest> {
    artifacts.iter().map(|artifact| artifact.request.as_ref().expect("a request")).collect()
}

/// The URL without its query, and the decoded parameters.
fn parts(request: &ArtifactRequest) -> (&str, BTreeMap<String, String>) {
    let (address, query) = request.url.split_once('?').unwrap();
    let decode = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    (address, pairs.map(|(name, value)| (decode(name), decode(value))).collect())
}

fn expiry(request: &ArtifactRequest) -> SystemTime {
    request.expires_at.unwrap().try_into().unwrap()
}

fn signed_at(request: &ArtifactRequest) -> SystemTime {
    let date = &parts(request).1["X-Amz-Date"];
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|digits| &date[digits]);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).unwrap()
}

/// Whether two times differ by less than a minute.
fn is_close(a: SystemTime, b: SystemTime) -> bool {
    let minute = Duration::from_secs(60);
    a < b + minute && b < a + minute
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_downloaded_and_outputs_are_uploaded() {
    let world = World::start().await;
    let data = read_job(&world, job()).await;
    let keys = data.artifact_credentials.as_ref().unwrap();
    let endpoint = world.simulator.endpoint_url();
    let inputs = ["bucket-1/a/b/c.zip", "bucket.2/d%20%C3%A9%2B%3F%23%25%26%3D.zip"];
    let outputs = ["bucket-1/e.zip", "bucket-3//f//../g"];
    for (artifacts, method, paths) in
        [(&data.input_artifacts, "GET", inputs), (&data.output_artifacts, "PUT", outputs)]
    {
        let requests = requests(artifacts);
        assert_eq!(requests.len(), 2);
        for (request, path) in requests.into_iter().zip(paths) {
            let (address, query) = parts(request);
            assert_eq!((request.method.as_str(), address), (method, &*format!("{endpoint}/{path}")));
            assert_eq!(request.headers, HashMap::new());
            assert_eq!(query["X-Amz-SignedHeaders"], "host");
            assert_eq!(query["X-Amz-Expires"], VALIDITY.as_secs().to_string());
            assert!(query["X-Amz-Credential"].starts_with(&format!("{}/", keys.access_key_id)));
            assert!(query["X-Amz-Credential"].ends_with("/eu-west-1/s3/aws4_request"));
            assert_eq!(query["X-Amz-Security-Token"], keys.session_token);
            assert_eq!(expiry(request), signed_at(request) + VALIDITY);
            assert!(is_close(signed_at(request), SystemTime::now()));
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_credentials_still_sign_the_requests() {
    let world =
        World::changed(|settings| settings.policy.artifact_credentials = ArtifactCredentials::Withhold).await;
    let data = read_job(&world, job()).await;
    assert!(data.artifact_credentials.is_none());
    for request in requests(&data.input_artifacts).into_iter().chain(requests(&data.output_artifacts)) {
        let id = parts(request).1["X-Amz-Credential"].split('/').next().unwrap().to_owned();
        let key = world.simulator.artifact_key(&id).expect("a key of the job");
        let secret = &key.secret_access_key;
        assert!(!request.url.contains(secret.as_str()) && !request.headers.values().any(|v| v == secret));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_encrypted_if_the_job_has_a_kms_key() {
    let world = World::start().await;
    let other = Some(EncryptionKey { kind: "New".into(), ..EncryptionKey::kms(KMS_KEY) });
    let headers = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", KMS_KEY),
    ];
    let headers: HashMap<_, _> = headers.map(|(name, value)| (name.into(), value.into())).into();
    for (job, expected) in [
        (encrypted_job(), headers),
        (job(), HashMap::new()),
        (Job { encryption_key: other, ..job() }, HashMap::new()),
    ] {
        let data = read_job(&world, job).await;
        for request in requests(&data.output_artifacts) {
            assert_eq!(request.headers, expected);
            let mut signed: Vec<&str> = expected.keys().map(String::as_str).chain(["host"]).collect();
            signed.sort_unstable();
            assert_eq!(parts(request).1["X-Amz-SignedHeaders"], signed.join(";"));
        }
        for request in requests(&data.input_artifacts) {
            assert_eq!(request.headers, HashMap::new());
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_without_credentials_or_location_has_no_request() {
    let world = World::start().await;
    let data = read_job(&world, Job { artifact_credentials: false, ..job() }).await;
    assert!(data.input_artifacts.iter().chain(&data.output_artifacts).all(|a| a.request.is_none()));
    let keys = r#"{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t"}"#;
    let located = |bucket, key| {
        format!(
            r#"{{"location":{{"type":"S3","s3Location":{{"bucketName":"{bucket}","objectKey":"{key}"}}}}}}"#
        )
    };
    let artifacts = [
        "{}".to_owned(),
        r#"{"name":"n","location":{"type":"Tape"}}"#.to_owned(),
        located("", "key"),
        located("bucket", ""),
        located("arn:aws:s3:eu-west-1:123456789012:nothing", "key"),
        located("bucket", "key"),
    ]
    .join(",");
    let body = format!(
        r#"{{"jobDetails":{{"data":{{"inputArtifacts":[{artifacts}],"outputArtifacts":[{artifacts}],
            "artifactCredentials":{keys}}}}}}}"#
    );
    world.simulator.fault_operation(
        DETAILS,
        1,
        Fault::Answer(AnswerFault { body, ..AnswerFault::default() }),
    );
    let data = read(&world).await;
    for artifacts in [data.input_artifacts, data.output_artifacts] {
        let found: Vec<bool> = artifacts.iter().map(|artifact| artifact.request.is_some()).collect();
        assert_eq!(found, [false, false, false, false, false, true]);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_aws_signs() {
    let world = World::start().await;
    let (ahead, shift) = (4 * 60, Duration::from_secs(4 * 60));
    for (seconds, expected) in [(ahead, SystemTime::now() + shift), (-ahead, SystemTime::now() - shift)] {
        world.simulator.shift_clock(seconds);
        let data = read_job(&world, job()).await;
        assert!(is_close(signed_at(requests(&data.input_artifacts)[0]), expected));
    }
    world.simulator.omit_date(true);
    let data = read_job(&world, job()).await;
    assert!(is_close(signed_at(requests(&data.input_artifacts)[0]), SystemTime::now()), "without a date");
    world.stop().await;
}

/// The first URL of an upload, from a gateway with these variables and this shared config file.
async fn upload_url(simulator: &Simulator, variables: &[(&str, &str)], config: &str) -> String {
    let files = Scratch::new();
    let serve = serve_command(&["--shutdown-delay=0s"]).with_keys().for_simulator(simulator);
    let serve = serve.with("AWS_CONFIG_FILE", files.file("config", config)).with_all(variables);
    let mut program = serve.start();
    let address = program.address().await;
    until_serving(address).await;
    simulator.add_job(job());
    let answer = unary(channel(address), details_request("job-1")).await;
    let data = answer.ok().job_details.clone().unwrap().data.unwrap();
    requests(&data.output_artifacts)[0].url.split('?').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_of_s3_is_that_of_the_sdk() {
    let simulator = simulator_with(&[]).await;
    let own = "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = https://10.0.0.1:1/base\n";
    for (variables, config, expected) in [
        (&[][..], "", "https://bucket-1.s3.eu-west-1.amazonaws.com/e.zip"),
        (&[("AWS_REGION", "cn-north-1")], "", "https://bucket-1.s3.cn-north-1.amazonaws.com.cn/e.zip"),
        (&[("AWS_ENDPOINT_URL_S3", "https://s3.test")], "", "https://bucket-1.s3.test/e.zip"),
        (&[("AWS_ENDPOINT_URL", "http://10.0.0.1:1")], "", "http://10.0.0.1:1/bucket-1/e.zip"),
        (
            &[("AWS_ENDPOINT_URL", "http://10.0.0.1:1"), ("AWS_ENDPOINT_URL_S3", "http://10.0.0.2:2")],
            "",
            "http://10.0.0.2:2/bucket-1/e.zip",
        ),
        (&[], own, "https://10.0.0.1:1/base/bucket-1/e.zip"),
    ] {
        assert_eq!(upload_url(&simulator, variables, config).await, expected, "{variables:?}");
    }
    simulator.stop().await;
}
