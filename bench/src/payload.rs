//! The requests that the measured programs handle, and AWS's responses. The fields are as long as
//! those of real jobs, and all values are fake.

use bytes::{BufMut, Bytes, BytesMut};
use clap::ValueEnum;
use prost::Message;
use serde_json::{Map, Value, json};

/// The job, as CodePipeline names jobs.
pub const JOB_ID: &str = "11111111-2222-4333-8444-555555555555";
/// A nonce is a small number in practice.
pub const NONCE: &str = "37";
/// A client token is a UUID in practice.
pub const CLIENT_TOKEN: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
/// The region of all signatures.
pub const REGION: &str = "eu-west-1";
/// A key that opens nothing.
pub const ACCESS_KEY_ID: &str = "AKIAFAKEFAKEFAKEFAKE";
/// Its secret half.
pub const SECRET_ACCESS_KEY: &str = "fake/secret/key/that/opens/nothing/at/all";
/// The operation that all programs can be compared by, as awsJson1_1 names it.
pub const TARGET: &str = "CodePipeline_20150709.AcknowledgeThirdPartyJob";

/// The length of a revision and of its change identifier, in bytes: a Git commit.
pub const REVISION: usize = 40;
/// The length of a failure's message, in bytes.
pub const MESSAGE: usize = 200;
/// The length of each value of a job's configuration, in bytes.
const VALUE: usize = 100;

/// The operations of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// A poll that returns ten jobs.
    Poll,
    /// Details with a configuration, and two artifacts.
    Details,
    /// The operation that all programs have.
    Acknowledge,
    /// A success with a revision.
    Success,
    /// A failure with a message.
    Failure,
}

impl Operation {
    /// Its name at AWS and in the proto file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "PollForThirdPartyJobs",
            Self::Details => "GetThirdPartyJobDetails",
            Self::Acknowledge => "AcknowledgeThirdPartyJob",
            Self::Success => "PutThirdPartyJobSuccessResult",
            Self::Failure => "PutThirdPartyJobFailureResult",
        }
    }

    /// The path of its gRPC requests.
    #[must_use]
    pub fn path(self) -> String {
        format!("/codepipeline.thirdparty.v1.ThirdPartyJobService/{}", self.name())
    }

    /// Its request as one gRPC message: not compressed, its length, the message.
    #[must_use]
    pub fn grpc(self) -> Bytes {
        match self {
            Self::Poll => {
                framed(&Poll { action_type_id: Some(ActionTypeId::fake()), max_batch_size: Some(10) })
            }
            Self::Details => framed(&Details { job_id: JOB_ID.into(), client_token: CLIENT_TOKEN.into() }),
            Self::Acknowledge => framed(&Acknowledge {
                job_id: JOB_ID.into(),
                nonce: NONCE.into(),
                client_token: CLIENT_TOKEN.into(),
            }),
            Self::Success => framed(&Success {
                job_id: JOB_ID.into(),
                client_token: CLIENT_TOKEN.into(),
                current_revision: Some(Revision {
                    revision: "r".repeat(REVISION),
                    change_identifier: "c".repeat(REVISION),
                }),
            }),
            Self::Failure => framed(&Failure {
                job_id: JOB_ID.into(),
                client_token: CLIENT_TOKEN.into(),
                failure_details: Some(FailureDetails { kind: 1, message: "m".repeat(MESSAGE) }),
            }),
        }
    }

    /// A response of AWS. `configuration` is the length of a job's configuration, in bytes.
    #[must_use]
    pub fn response(self, configuration: usize) -> Bytes {
        let response = match self {
            Self::Poll => {
                let job = json!({ "jobId": JOB_ID, "clientId": JOB_ID });
                json!({ "jobs": vec![job; 10] })
            }
            Self::Details => details(configuration),
            Self::Acknowledge => json!({ "status": "InProgress" }),
            Self::Success | Self::Failure => return Bytes::new(),
        };
        response.to_string().into()
    }
}

fn details(configuration: usize) -> Value {
    let entries = configuration / VALUE;
    let configuration: Map<String, Value> =
        (0..entries).map(|number| (format!("Key{number:02}"), json!("v".repeat(VALUE)))).collect();
    let artifact = |name: &str| {
        json!({
            "name": name,
            "location": {
                "type": "S3",
                "s3Location": { "bucketName": "codepipeline-eu-west-1-0", "objectKey": "pipeline/Artifact" },
            },
        })
    };
    json!({ "jobDetails": {
        "id": JOB_ID,
        "nonce": NONCE,
        "data": {
            "actionTypeId": { "category": "Test", "owner": "ThirdParty", "provider": "fake", "version": "1" },
            "actionConfiguration": { "configuration": configuration },
            "pipelineContext": { "pipelineName": "p", "stage": { "name": "s" }, "action": { "name": "a" } },
            "inputArtifacts": [artifact("In")],
            "outputArtifacts": [artifact("Out")],
            "artifactCredentials": {
                "accessKeyId": ACCESS_KEY_ID,
                "secretAccessKey": SECRET_ACCESS_KEY,
                "sessionToken": "fake-session-token-".repeat(20),
            },
        },
    } })
}

#[derive(Clone, PartialEq, Message)]
struct Poll {
    #[prost(message, optional, tag = "1")]
    action_type_id: Option<ActionTypeId>,
    #[prost(int32, optional, tag = "2")]
    max_batch_size: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct ActionTypeId {
    #[prost(string, tag = "1")]
    category: String,
    #[prost(string, tag = "2")]
    owner: String,
    #[prost(string, tag = "3")]
    provider: String,
    #[prost(string, tag = "4")]
    version: String,
}

impl ActionTypeId {
    fn fake() -> Self {
        Self {
            category: "Test".into(),
            owner: "ThirdParty".into(),
            provider: "fake".into(),
            version: "1".into(),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(string, tag = "1")]
    job_id: String,
    #[prost(string, tag = "2")]
    client_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct Acknowledge {
    #[prost(string, tag = "1")]
    job_id: String,
    #[prost(string, tag = "2")]
    nonce: String,
    #[prost(string, tag = "3")]
    client_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct Success {
    #[prost(string, tag = "1")]
    job_id: String,
    #[prost(string, tag = "2")]
    client_token: String,
    #[prost(message, optional, tag = "3")]
    current_revision: Option<Revision>,
}

#[derive(Clone, PartialEq, Message)]
struct Revision {
    #[prost(string, tag = "1")]
    revision: String,
    #[prost(string, tag = "2")]
    change_identifier: String,
}

#[derive(Clone, PartialEq, Message)]
struct Failure {
    #[prost(string, tag = "1")]
    job_id: String,
    #[prost(string, tag = "2")]
    client_token: String,
    #[prost(message, optional, tag = "3")]
    failure_details: Option<FailureDetails>,
}

#[derive(Clone, PartialEq, Message)]
struct FailureDetails {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn framed(request: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + request.encoded_len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(request.encoded_len()).expect("a small message"));
    request.encode(&mut framed).expect("room for it");
    framed.freeze()
}

/// The acknowledgement as awsJson1_1 has it.
#[must_use]
pub fn json() -> Bytes {
    json!({"jobId": JOB_ID, "nonce": NONCE, "clientToken": CLIENT_TOKEN}).to_string().into()
}
