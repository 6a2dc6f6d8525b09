//! Every response and every failure of AWS, with messages that contain the planted secrets.

use std::net::SocketAddr;

use codepipeline_simulator::{
    AccessKey, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Job, MessageKey, Shape,
    Simulator, Then,
};

use super::evidence::Evidence;
use super::search::json;
use super::{CLIENT_TOKEN, KEY_ID, NONCE, SECRET_KEY, SESSION, planted};
use crate::harness::process::send;

/// Error messages that contain parts of the request: its headers, as AWS does for an invalid
/// signature, its values, its body, and secrets so far back that the gateway truncates one.
fn echoes() -> [String; 4] {
    let signature = format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS \
         Secret Access Key and signing method. Consult the service documentation for details.\n\n\
         The Canonical String for this request should have been\n'POST\n/\n\n\
         content-type:application/x-amz-json-1.1\n\
         host:codepipeline.eu-west-1.amazonaws.com\nx-amz-date:20261124T000000Z\n\
         x-amz-security-token:{SESSION}\n\
         x-amz-target:CodePipeline_20150709.AcknowledgeThirdPartyJob\n\n\
         content-type;host;x-amz-date;x-amz-security-token\ne3b0c442'\n\n\
         The String-to-Sign should have been\n\
         'AWS4-HMAC-SHA256 Credential={KEY_ID}/20261124 {SECRET_KEY}'"
    );
    let validation = format!(
        "2 validation errors detected: Value '{NONCE}' at 'nonce' failed to satisfy constraint: Member must \
         have length less than or equal to 50; Value '{CLIENT_TOKEN}' at 'clientToken' failed to satisfy \
         constraint: no"
    );
    let body = format!(
        r#"Can't parse {{"jobId":"job","nonce":"{}","clientToken":"{}"}}"#,
        json(NONCE),
        json(CLIENT_TOKEN)
    );
    let far_away = format!("{}{NONCE}{CLIENT_TOKEN}{SESSION}{KEY_ID}{SECRET_KEY}", "x".repeat(1000));
    [signature, validation, body, far_away]
}

const CODES: [&str; 14] = [
    "ValidationException",
    "JobNotFoundException",
    "InvalidNonceException",
    "InvalidClientTokenException",
    "ThrottlingException",
    "InternalFailure",
    "RequestTimeoutException",
    "AccessDeniedException",
    "ExpiredTokenException",
    "RequestTimeTooSkewed",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SerializationException",
    "SomethingNewException",
];

/// An error whose message contains secrets.
fn error(code: &str, message: &str) -> ErrorFault {
    ErrorFault { message: Some(message.into()), ..ErrorFault::new(code) }
}

/// Responses of AWS: every code, every shape, and other bodies.
fn faults() -> Vec<Fault> {
    let echoes = echoes();
    let everything = echoes.join(" ");
    let mut faults: Vec<Fault> = Vec::new();
    for code in CODES {
        faults.extend(echoes.iter().map(|message| Fault::Error(error(code, message))));
    }
    for shape in [Shape::TypeNamespace, Shape::TypeUri, Shape::Header, Shape::Code] {
        faults.push(Fault::Error(ErrorFault {
            shape,
            message_key: MessageKey::Upper,
            ..error("AccessDenied", &everything)
        }));
    }
    for http_status in [200, 301, 400, 403, 408, 429, 500, 503] {
        let html = format!("<html><body>{everything}</body></html>");
        let cut_json = format!(r#"{{"status":{},"#, serde_json::to_string(&everything).unwrap());
        let wrong_type =
            format!(r#"{{"__type":{{"a":1}},"status":[{}]}}"#, serde_json::to_string(NONCE).unwrap());
        for body in [html, cut_json, wrong_type, String::new()] {
            faults.push(Fault::answer(http_status, body));
        }
    }
    faults.extend([
        Fault::delay(10),
        Fault::Delay {
            ms: 10,
            then: Then::Fault(Box::new(Fault::Error(error("AccessDenied", &everything)))),
        },
        Fault::CutBody { process: false, http_status: None, code: None },
        Fault::CutBody { process: false, http_status: Some(503), code: Some("InternalFailure".into()) },
        Fault::CutBody { process: true, http_status: None, code: None },
        Fault::MalformedBody { process: false },
        Fault::MalformedBody { process: true },
    ]);
    for moment in [CallMoment::AfterRequestRead, CallMoment::AfterProcessing] {
        faults.extend([Fault::Reset { when: moment }, Fault::Close { when: moment }]);
    }
    faults
}

pub(super) async fn every_response(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
    for (number, fault) in faults().into_iter().enumerate() {
        let id = format!("job-{number}");
        // Twice, because some failures are retried.
        simulator.add_job(Job::new(&id, NONCE, CLIENT_TOKEN).with_fault(2, fault.clone()));
        evidence.answer(&format!("{fault:?}"), &send(address, planted(&id)).await);
    }
    simulator.add_job(Job::new("job", NONCE, CLIENT_TOKEN));
    for what in ["a success", "a second acknowledge"] {
        evidence.answer(what, &send(address, planted("job")).await);
    }
    simulator.add_job(Job::new("other", "another nonce", "another token"));
    evidence.answer("a wrong token", &send(address, planted("other")).await);
    evidence.answer("a missing job", &send(address, planted("missing")).await);
}

pub(super) async fn every_rejected_signature(
    simulator: &Simulator,
    key: &AccessKey,
    address: SocketAddr,
    evidence: &mut Evidence,
) {
    let other = || AccessKey::new(KEY_ID, "another secret");
    let rows = [
        ("an unknown key", vec![]),
        ("a wrong secret", vec![other().with_session_token(SESSION)]),
        ("a wrong session token", vec![AccessKey::new(KEY_ID, SECRET_KEY).with_session_token("another")]),
        ("an expired session", vec![key.clone().expired()]),
    ];
    for (what, keys) in rows {
        simulator.set_keys(keys);
        evidence.answer(what, &send(address, planted("job")).await);
    }
    simulator.set_keys(vec![key.clone()]);
    for (omit_date, seconds) in [(true, 3600), (true, -3600), (false, 3600)] {
        simulator.omit_date(omit_date);
        simulator.shift_clock(seconds);
        evidence.answer("a shifted clock", &send(address, planted("job")).await);
    }
    simulator.omit_date(false);
    simulator.shift_clock(0);
    evidence.answer("the correct time", &send(address, planted("job")).await);
}

pub(super) async fn every_broken_connection(
    simulator: &Simulator,
    address: SocketAddr,
    evidence: &mut Evidence,
) {
    for when in [ConnectionMoment::OnAccept, ConnectionMoment::BeforeRequestRead] {
        for fault in [ConnectionFault::Reset { when }, ConnectionFault::Close { when }] {
            // The next call then needs a new connection.
            simulator.fault_job("job", Fault::Close { when: CallMoment::AfterRequestRead });
            send(address, planted("job")).await;
            simulator.fault_next_connections(1, fault);
            evidence.answer(&format!("{fault:?}"), &send(address, planted("job")).await);
        }
    }
    simulator.refuse_connections(true).await.unwrap();
    evidence.answer("a refused connection", &send(address, planted("job")).await);
    simulator.refuse_connections(false).await.unwrap();
}
