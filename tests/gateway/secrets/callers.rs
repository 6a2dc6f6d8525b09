//! Every bad request, with planted secrets in its body and metadata.

use std::net::SocketAddr;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;

use super::evidence::Evidence;
use super::{BEARER, CLIENT_TOKEN, KEY_ID, NONCE, SECRET_KEY, SECRETS, SESSION};
use crate::harness::grpc::REFLECTION;
use crate::harness::process::send;
use crate::harness::{ACKNOWLEDGE, CHECK, Headers, exchange, grpc_frame, raw_call};

pub(super) async fn every_bad_request(address: SocketAddr, evidence: &mut Evidence) {
    let too_long = |text: &str| text.repeat(40);
    let rows = [
        (String::new(), NONCE.to_owned(), CLIENT_TOKEN.to_owned()),
        ("job".to_owned(), too_long(NONCE), CLIENT_TOKEN.to_owned()),
        ("job".to_owned(), NONCE.to_owned(), too_long(CLIENT_TOKEN)),
    ];
    for (job_id, nonce, client_token) in rows {
        let request = AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token };
        evidence.answer("bad fields", &send(address, request).await);
    }

    let all = SECRETS.map(|(_, secret)| secret).join(" ");
    let whole = message(&[(1, b"job"), (2, NONCE.as_bytes()), (3, CLIENT_TOKEN.as_bytes())]);
    let not_utf8 = message(&[
        (1, b"job"),
        (2, &[NONCE.as_bytes(), b"\xff"].concat()),
        (3, &[BEARER.as_bytes(), b"\xff"].concat()),
    ]);
    let mut wrong_type = whole.clone();
    wrong_type.extend([2 << 3, 7]);
    let bodies: [(&str, Vec<u8>); 9] = [
        ("a truncated message", grpc_frame(0, &whole[..whole.len() - 1])),
        ("a message that isn't UTF-8", grpc_frame(0, &not_utf8)),
        ("a field of a wrong type", grpc_frame(0, &wrong_type)),
        ("a text instead of a message", grpc_frame(0, all.as_bytes())),
        ("a text instead of a frame", all.clone().into_bytes()),
        ("a truncated frame", grpc_frame(0, &whole)[..20].to_vec()),
        ("a message with the flag for compression", grpc_frame(1, &whole)),
        ("an unknown flag", grpc_frame(7, &whole)),
        ("a message over the limit", grpc_frame(0, all.repeat(500).as_bytes())),
    ];
    for (what, body) in bodies {
        evidence.add(what, raw(address, ACKNOWLEDGE, &[], body).await);
    }
    let zipped = [("grpc-encoding", "gzip")];
    evidence.add("a bad compression", raw(address, ACKNOWLEDGE, &zipped, grpc_frame(1, &whole)).await);
    let timeout = [("grpc-timeout", BEARER)];
    evidence.add("a malformed timeout", raw(address, ACKNOWLEDGE, &timeout, grpc_frame(0, &whole)).await);
    evidence
        .add("an unknown method", raw(address, "/no.such.Service/Method", &[], grpc_frame(0, &whole)).await);
    evidence.add("bad reflection", raw(address, REFLECTION, &[], grpc_frame(0, all.as_bytes())).await);
    evidence.add("bad health", raw(address, CHECK, &[], grpc_frame(0, all.as_bytes())).await);

    let ascii = format!("{KEY_ID} {SECRET_KEY} {SESSION} {BEARER}");
    for (what, bytes) in [
        ("HTTP/1", format!("POST {ACKNOWLEDGE} HTTP/1.1\r\nhost: x\r\nauthorization: {ascii}\r\n\r\n")),
        ("no HTTP", format!("{ascii}\r\n\r\n")),
        ("bad HTTP/2", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{ascii}")),
    ] {
        evidence.add(what, exchange(address, bytes.as_bytes()).await);
    }
}

/// A protobuf message of texts shorter than 128 bytes.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let field = |(number, text): &(u8, &[u8])| {
        [&[number << 3 | 2, u8::try_from(text.len()).unwrap()][..], text].concat()
    };
    fields.iter().flat_map(field).collect()
}

/// Sends any body to any method with planted metadata, and returns everything that comes back.
async fn raw(address: SocketAddr, path: &str, headers: Headers<'_>, body: Vec<u8>) -> String {
    let bearer = format!("Bearer {BEARER}");
    let planted = [("authorization", bearer.as_str()), ("x-amz-security-token", SESSION)];
    let response = raw_call(address, path, &[&planted, headers].concat(), body).await;
    format!("{response:?}")
}
