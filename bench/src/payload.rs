//! The request that all measured programs handle. Its fields are as long as those of real jobs, and
//! all values are fake.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

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
/// The gRPC method under test.
pub const METHOD: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";
/// The operation, as awsJson1_1 names it.
pub const TARGET: &str = "CodePipeline_20150709.AcknowledgeThirdPartyJob";

/// `AcknowledgeThirdPartyJobRequest` of the gateway's proto file.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    job_id: String,
    #[prost(string, tag = "2")]
    nonce: String,
    #[prost(string, tag = "3")]
    client_token: String,
}

/// The request as one gRPC message: not compressed, its length, the message.
#[must_use]
pub fn grpc() -> Bytes {
    let request = Request { job_id: JOB_ID.into(), nonce: NONCE.into(), client_token: CLIENT_TOKEN.into() };
    let mut framed = BytesMut::with_capacity(5 + request.encoded_len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(request.encoded_len()).expect("a small message"));
    request.encode(&mut framed).expect("room for it");
    framed.freeze()
}

/// The request as awsJson1_1 has it.
#[must_use]
pub fn json() -> Bytes {
    serde_json::json!({"jobId": JOB_ID, "nonce": NONCE, "clientToken": CLIENT_TOKEN}).to_string().into()
}
