//! No secret shows anywhere: not in a log at any level, not in an answer, not in a trace, not in what the command prints.
//!
//! The secrets are planted, everything that can go wrong is made to go wrong, and all that came out is searched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use codepipeline_simulator::{
    AccessKey, AnswerFault, CallMoment, Config, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Job,
    MessageKey, Shape, Simulator, Then,
};
use http_body_util::{BodyExt, Full};
use tonic::Request;
use tonic::body::Body;
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::collector::{Collector, Mood, attribute};
use crate::harness::{Answer, loopback};
use crate::process::{Invocation, Program, Scratch, channel, command, send, until_serving};

const KEY_ID: &str = "AKIAPLANTED7Q2Z8WXY5";
const SECRET_KEY: &str = "Pl4nted/secret+k3y=bR7xV9tQ2mN5";
const SESSION: &str = "S3ssion/planted+t0ken==hJ8kL3wE6yU1";
const NONCE: &str = "planted-nonce \"q\" \\ ü-5dF8gH";
const CLIENT_TOKEN: &str = "planted-client-token \"z\" \\ é-9aG2kM";
pub const BEARER: &str = "planted.bearer-token_eyJhbGciOi.c3Vi-4sD6";

const COLLECTOR_KEY: &str = "planted-collector-key_8uT2vX7nB3";

const SECRETS: [(&str, &str); 7] = [
    ("the access key id", KEY_ID),
    ("the secret access key", SECRET_KEY),
    ("the session token", SESSION),
    ("the nonce", NONCE),
    ("the client token", CLIENT_TOKEN),
    ("the bearer token", BEARER),
    ("the collector's key", COLLECTOR_KEY),
];

const METHOD: &str = "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob";

// ---------------------------------------------------------------------------------------------------------------------
// Searching
// ---------------------------------------------------------------------------------------------------------------------

/// This many characters of a secret in a row are a leak too.
const PIECE: usize = 10;

/// Everything that came out, with where it came from.
pub struct Evidence {
    texts: Vec<(String, String)>,
    secrets: Vec<Secret>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { texts: Vec::new(), secrets: SECRETS.map(|(name, secret)| Secret::new(name, secret)).into() }
    }
}

impl Evidence {
    /// One more text that must not show, besides the planted ones.
    pub fn also_secret(&mut self, name: &'static str, secret: &str) {
        self.secrets.push(Secret::new(name, secret));
    }

    pub fn add(&mut self, from: impl Into<String>, text: impl Into<String>) {
        self.texts.push((from.into(), text.into()));
    }

    pub fn answer(&mut self, from: &str, answer: &Answer) {
        let mut text = format!("{answer:?}");
        for (name, value) in answer.metadata.clone().into_headers() {
            let _ = write!(text, "\n{name:?}: {} {value:?}", String::from_utf8_lossy(value.as_bytes()));
        }
        if let Err(status) = &answer.result {
            let details = String::from_utf8_lossy(status.details());
            let _ = write!(text, "\n{}\n{details}\n{:?}", status.message(), status.get_error_details());
        }
        self.add(format!("the answer to {from}"), text);
    }

    /// Fails with every place where a secret shows, each once.
    pub fn assert_no_secret(&self) {
        let mut leaks: BTreeMap<String, String> = BTreeMap::new();
        for (from, text) in &self.texts {
            for line in text.lines() {
                for (secret, form) in find_in(line, &self.secrets) {
                    // Lines that differ in numbers only (times, ids, ports) leak in the same place.
                    let place: String = line.chars().filter(|c| !c.is_ascii_digit()).take(400).collect();
                    let leak = format!("{secret} ({form}) in {from}: {line}");
                    leaks.entry(format!("{secret} {place}")).or_insert(leak);
                }
            }
        }
        let list = leaks.values().cloned().collect::<Vec<_>>().join("\n\n");
        assert!(leaks.is_empty(), "secrets show in {} places:\n{list}", leaks.len());
    }
}

/// A secret, and all that would give it away.
struct Secret {
    name: &'static str,
    forms: Vec<(&'static str, String)>,
    pieces: Vec<String>,
}

impl Secret {
    fn new(name: &'static str, secret: &str) -> Self {
        Self { name, forms: forms(secret), pieces: pieces(secret) }
    }
}

/// Which secrets stand in a text, each once, and in which form.
fn find_in(text: &str, secrets: &[Secret]) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for Secret { name, forms, pieces } in secrets {
        if let Some((form, _)) = forms.iter().find(|(_, form)| text.contains(form.as_str())) {
            found.push((*name, *form));
        } else if pieces.iter().any(|piece| text.contains(piece.as_str())) {
            found.push((*name, "a piece of it"));
        }
    }
    found
}

fn find_secrets(text: &str) -> Vec<(&'static str, &'static str)> {
    find_in(text, &Evidence::default().secrets)
}

/// What a secret looks like in the encodings that logs, headers and errors use.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let hex = |byte: &u8| format!("{byte:02x}");
    let percent = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let percent: String = bytes.iter().map(percent).collect();
    let grpc_message = |byte: &u8| match byte {
        b' '..=b'$' | b'&'..=b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let hex: String = bytes.iter().map(hex).collect();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("lower case", secret.to_lowercase()),
        ("percent-encoded", percent.clone()),
        ("percent-encoded, lower case", lower_hex(&percent)),
        ("percent-encoded as in grpc-message", bytes.iter().map(grpc_message).collect()),
        ("form-encoded", percent.replace("%20", "+")),
        ("hex", hex.clone()),
        ("hex, upper case", hex.to_uppercase()),
        ("Debug", debug(secret)),
        ("Debug in JSON", json(&debug(secret))),
        ("JSON", json(secret)),
        ("JSON in Debug", debug(&json(secret))),
        ("JSON in JSON", json(&json(secret))),
        ("Debug of bytes", bytes.escape_ascii().to_string()),
        ("Debug of bytes in JSON", json(&bytes.escape_ascii().to_string())),
        ("a list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).to_owned()),
    ];
    for aligned in (0..3).map(|before| base64_within(bytes, before)) {
        forms.push(("base64", aligned.clone()));
        forms.push(("base64, URL-safe", aligned.replace('+', "-").replace('/', "_")));
    }
    forms
}

/// Every part of a secret that is long enough to be no accident, as it is and as JSON writes it.
fn pieces(secret: &str) -> Vec<String> {
    let chars: Vec<char> = secret.chars().collect();
    let raw = chars.windows(PIECE).map(|piece| piece.iter().collect::<String>());
    raw.flat_map(|piece| [json(&piece), piece]).collect()
}

fn debug(text: &str) -> String {
    let quoted = format!("{text:?}");
    quoted[1..quoted.len() - 1].to_owned()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `%2F` → `%2f`.
fn lower_hex(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// The characters that stand for these bytes alone, somewhere in the base64 of more, `before` bytes after a multiple of 3.
fn base64_within(bytes: &[u8], before: usize) -> String {
    let padded = [&[0; 2][..before], bytes].concat();
    let first = [0, 2, 3][before];
    base64(&padded)[first..padded.len() * 8 / 6].to_owned()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        let digit = |place: usize| {
            if place > chunk.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * place) & 63]) }
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn the_search_finds_a_planted_secret_in_every_encoding() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    for (name, secret) in SECRETS {
        for (form, text) in forms(secret) {
            let found = find_secrets(&format!("before {text} after"));
            assert!(found.iter().any(|(found, _)| *found == name), "{name} as {form}: {text} {found:?}");
        }
        for around in ["", "a", "ab", "abc", "Bearer "] {
            let encoded = base64(format!("{around}{secret}{around}").as_bytes());
            assert!(!find_secrets(&encoded).is_empty(), "{name} within base64: {encoded}");
        }
        let cut: String = secret.chars().take(PIECE + 2).collect();
        assert_eq!(find_secrets(&format!("{cut}…")), [(name, "a piece of it")]);
    }
    assert_eq!(find_secrets(&format!("****{} and ordinary text", &KEY_ID[16..])), []);
}

#[test]
#[should_panic(expected = "the nonce (Debug) in a log: {\"m\":\"planted-nonce")]
fn one_secret_in_one_line_of_the_evidence_fails_the_test() {
    let mut evidence = Evidence::default();
    evidence.add("a log", format!("fine\n{{\"m\":{}}}\nfine", serde_json::to_string(NONCE).unwrap()));
    evidence.assert_no_secret();
}

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_text_logs_or_answers_whatever_happens_to_calls() {
    no_secret_shows("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_json_logs_or_answers_whatever_happens_to_calls() {
    no_secret_shows("json").await;
}

async fn no_secret_shows(log_format: &str) {
    let key = AccessKey::new(KEY_ID, SECRET_KEY).with_session_token(SESSION);
    let config = Config { keys: vec![key.clone()], ..Config::default() };
    let simulator = Simulator::start(loopback().await, config).unwrap();
    let collector = Collector::start().await;
    let serve = with_planted_keys(command(&SERVE)).with("GATEWAY_LOG_FORMAT", log_format).with_all(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("x-key={COLLECTOR_KEY},authorization=Bearer {COLLECTOR_KEY}"),
        ),
    ]);
    let mut program = serve.with("AWS_ENDPOINT_URL_CODEPIPELINE", simulator.endpoint_url()).start();
    let address = program.address().await;
    until_serving(address).await;

    let mut evidence = Evidence::default();
    every_answer_of_aws(&simulator, address, &mut evidence).await;
    every_refusal_of_the_signature(&simulator, &key, address, &mut evidence).await;
    every_broken_connection(&simulator, address, &mut evidence).await;
    every_bad_request(address, &mut evidence).await;
    let all = SECRETS.map(|(_, secret)| secret).join(" ");
    collector.be(Mood::Refuses(tonic::Code::Unauthenticated, all));
    every_other_end_of_a_call(&simulator, address, &mut program, &mut evidence).await;

    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for reason in PROVOKED {
        assert!(
            ended.err.contains(reason),
            "no call ended with {reason}: the test can't fail where it should"
        );
    }
    let calls = ended.err.matches("AcknowledgeThirdPartyJob").count();
    assert!(calls > 60 && ended.err.contains("DEBUG"), "{calls} log lines of calls");
    let spans = collector.spans();
    for reason in PROVOKED {
        let named = |span| attribute(span, "codepipeline_gateway.reason").as_deref() == Some(reason);
        assert!(spans.iter().any(named), "no span tells of {reason}");
    }
    assert!(ended.err.contains("can't export traces"), "the collector's refusal isn't in the log");
    for export in collector.exports() {
        // One line: protobuf's own line feeds part fields.
        evidence.add("an export of spans", String::from_utf8_lossy(&export.raw).replace('\n', " "));
    }
    evidence.add("the log", ended.err);
    evidence.add("standard output", ended.out);
    evidence.assert_no_secret();
}

const SERVE: [&str; 11] = [
    "serve",
    "--grpc-addr=127.0.0.1:0",
    "--admin-addr=127.0.0.1:0",
    "--log-level=trace",
    "--max-in-flight=1",
    "--aws-max-attempts=2",
    "--aws-connect-timeout=1s",
    "--aws-attempt-timeout=6s",
    "--default-deadline=20s",
    "--shutdown-delay=0s",
    "--drain-timeout=200ms",
];

/// Every reason that a call can end with, but for those that need a gateway of another kind: `jwt_secrets` has those.
const PROVOKED: [&str; 22] = [
    "INVALID_REQUEST",
    "UNKNOWN_METHOD",
    "VALIDATION_FAILED",
    "JOB_NOT_FOUND",
    "INVALID_NONCE",
    "INVALID_CLIENT_TOKEN",
    "AWS_THROTTLED",
    "AWS_UNAVAILABLE",
    "AWS_REQUEST_TIMEOUT",
    "GATEWAY_ACCESS_DENIED",
    "GATEWAY_CREDENTIALS_EXPIRED",
    "GATEWAY_CLOCK_SKEW",
    "GATEWAY_CREDENTIALS_REJECTED",
    "AWS_UNREACHABLE",
    "AWS_CONNECTION_LOST",
    "AWS_TIMEOUT",
    "DEADLINE_EXCEEDED",
    "AWS_BAD_RESPONSE",
    "AWS_UNRECOGNIZED_ERROR",
    "GATEWAY_OVERLOADED",
    "CALLER_CANCELLED",
    "GATEWAY_SHUTTING_DOWN",
];

fn with_planted_keys(command: Invocation) -> Invocation {
    command.with_all(&[
        ("RUST_LOG", "trace"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_SESSION_TOKEN", SESSION),
    ])
}

pub fn planted(job_id: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    let (job_id, nonce, client_token) = (job_id.into(), NONCE.into(), CLIENT_TOKEN.into());
    let mut request = Request::new(AcknowledgeThirdPartyJobRequest { job_id, nonce, client_token });
    request.metadata_mut().insert("authorization", format!("Bearer {BEARER}").parse().unwrap());
    request.metadata_mut().insert("x-request-id", format!("not an id {BEARER}").parse().unwrap());
    request
}

/// AWS's own text for a signature that it can't reproduce, which repeats the request's headers; one that repeats the
/// values; one that repeats the body; and one that is cut in the middle of a secret.
fn echoes() -> [String; 4] {
    let signature = format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request \
         should have been\n'POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:codepipeline.eu-west-1.amazonaws.com\n\
         x-amz-date:20261124T000000Z\nx-amz-security-token:{SESSION}\n\
         x-amz-target:CodePipeline_20150709.AcknowledgeThirdPartyJob\n\ncontent-type;host;x-amz-date;x-amz-security-token\n\
         e3b0c442'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256 Credential={KEY_ID}/20261124 {SECRET_KEY}'"
    );
    let validation = format!(
        "2 validation errors detected: Value '{NONCE}' at 'nonce' failed to satisfy constraint: Member must have length \
         less than or equal to 50; Value '{CLIENT_TOKEN}' at 'clientToken' failed to satisfy constraint: no"
    );
    let body = format!(
        r#"Can't parse {{"jobId":"job","nonce":"{}","clientToken":"{}"}}"#,
        json(NONCE),
        json(CLIENT_TOKEN)
    );
    let far_away = format!("{}{NONCE}{CLIENT_TOKEN}{SESSION}{KEY_ID}{SECRET_KEY}", "x".repeat(1000));
    [signature, validation, body, far_away]
}

async fn every_answer_of_aws(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
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
    let echoes = echoes();
    let everything = echoes.join(" ");
    let error =
        |code: &str, message: &str| ErrorFault { message: Some(message.into()), ..ErrorFault::new(code) };
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
            faults.push(Fault::Answer(AnswerFault { http_status, body, ..AnswerFault::default() }));
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
    for (number, fault) in faults.into_iter().enumerate() {
        let id = format!("job-{number}");
        // Twice, for what is tried again.
        simulator.add_job(Job::new(&id, NONCE, CLIENT_TOKEN).with_fault(2, fault.clone()));
        evidence.answer(&format!("{fault:?}"), &send(address, planted(&id)).await);
    }
    simulator.add_job(Job::new("job", NONCE, CLIENT_TOKEN));
    for what in ["a success", "a second acknowledge"] {
        evidence.answer(what, &send(address, planted("job")).await);
    }
    simulator.add_job(Job::new("other", "another nonce", "another token"));
    evidence.answer("a wrong token", &send(address, planted("other")).await);
    evidence.answer("a job that isn't there", &send(address, planted("nowhere")).await);
}

async fn every_refusal_of_the_signature(
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
    evidence.answer("the true time again", &send(address, planted("job")).await);
}

async fn every_broken_connection(simulator: &Simulator, address: SocketAddr, evidence: &mut Evidence) {
    for when in [ConnectionMoment::OnAccept, ConnectionMoment::BeforeRequestRead] {
        for fault in [ConnectionFault::Reset { when }, ConnectionFault::Close { when }] {
            // So that the next call needs a new connection.
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

async fn every_bad_request(address: SocketAddr, evidence: &mut Evidence) {
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
        ("a message that is cut", frame(0, &whole[..whole.len() - 1])),
        ("a message that isn't UTF-8", frame(0, &not_utf8)),
        ("a field of a wrong type", frame(0, &wrong_type)),
        ("a text instead of a message", frame(0, all.as_bytes())),
        ("a text instead of a frame", all.clone().into_bytes()),
        ("a frame that is cut", frame(0, &whole)[..20].to_vec()),
        ("a message said to be compressed", frame(1, &whole)),
        ("a flag that there isn't", frame(7, &whole)),
        ("a message over the limit", frame(0, all.repeat(500).as_bytes())),
    ];
    for (what, body) in bodies {
        evidence.add(what, raw(address, METHOD, &[], body).await);
    }
    let zipped = [("grpc-encoding", "gzip")];
    evidence.add("a bad compression", raw(address, METHOD, &zipped, frame(1, &whole)).await);
    let timeout = [("grpc-timeout", BEARER)];
    evidence.add("a malformed timeout", raw(address, METHOD, &timeout, frame(0, &whole)).await);
    evidence.add("an unknown method", raw(address, "/no.such.Service/Method", &[], frame(0, &whole)).await);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    evidence.add("bad reflection", raw(address, reflection, &[], frame(0, all.as_bytes())).await);
    evidence
        .add("bad health", raw(address, "/grpc.health.v1.Health/Check", &[], frame(0, all.as_bytes())).await);

    let ascii = format!("{KEY_ID} {SECRET_KEY} {SESSION} {BEARER}");
    evidence.add(
        "HTTP/1",
        tcp(address, &format!("POST {METHOD} HTTP/1.1\r\nhost: x\r\nauthorization: {ascii}\r\n\r\n")),
    );
    evidence.add("no HTTP", tcp(address, &format!("{ascii}\r\n\r\n")));
    evidence.add("bad HTTP/2", tcp(address, &format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{ascii}")));
}

/// A gRPC frame.
fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

/// A protobuf message of texts shorter than 128 bytes.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let field = |(number, text): &(u8, &[u8])| {
        [&[number << 3 | 2, u8::try_from(text.len()).unwrap()][..], text].concat()
    };
    fields.iter().flat_map(field).collect()
}

/// Sends any body to any method, and returns all that is answered.
async fn raw(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> String {
    let mut request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {BEARER}"))
        .header("x-amz-security-token", SESSION);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::new(Full::from(body))).unwrap();
    let (head, body) = match channel(address).oneshot(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => return format!("{error:?}"),
    };
    let body = body.collect().await.map(|body| (body.trailers().cloned(), body.to_bytes()));
    format!("{head:?}\n{body:?}")
}

fn tcp(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    // What was read before a reset stays.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn every_other_end_of_a_call(
    simulator: &Simulator,
    address: SocketAddr,
    program: &mut Program,
    evidence: &mut Evidence,
) {
    let hang = |id: &str| {
        simulator.add_job(Job::new(id, NONCE, CLIENT_TOKEN).with_fault(9, Fault::Hang { process: false }));
    };
    hang("slow");
    evidence.answer("an answer that is late for AWS", &send(address, planted("slow")).await);
    let mut hurried = planted("slow");
    // The gateway answers 200 ms before that, in which its answer has to arrive.
    hurried.set_timeout(Duration::from_secs(4));
    evidence.answer("a deadline", &send(address, hurried).await);

    hang("left");
    let before = simulator.requests().len();
    let caller = tokio::spawn(send(address, planted("left")));
    simulator.wait_for_requests(before + 1).await;
    evidence.answer("a call too many", &send(address, planted("job")).await);
    caller.abort();
    program.err.until(|line| line.contains("CALLER_CANCELLED")).await;

    hang("last");
    let before = simulator.requests().len();
    let caller = tokio::spawn(send(address, planted("last")));
    simulator.wait_for_requests(before + 1).await;
    program.signal("TERM");
    evidence.answer("a call cut off by a shutdown", &caller.await.unwrap());
}

// ---------------------------------------------------------------------------------------------------------------------
// Credentials
// ---------------------------------------------------------------------------------------------------------------------

/// A way to get credentials, or to fail at it: what it is, its variables, whether there are credentials at the end.
type Way = (&'static str, Vec<(&'static str, String)>, bool);

fn ways(files: &Scratch) -> Vec<Way> {
    let good = format!(
        r#"{{"Version":1,"AccessKeyId":"{KEY_ID}","SecretAccessKey":"{SECRET_KEY}","SessionToken":"{SESSION}"}}"#
    );
    let container = format!(
        r#"{{"AccessKeyId":"{KEY_ID}","SecretAccessKey":"{SECRET_KEY}","Token":"{SESSION}","Expiration":"2099-01-01T00:00:00Z"}}"#
    );
    let all = format!("{KEY_ID} {SECRET_KEY} {SESSION} {BEARER}");
    let refused = format!(r#"{{"Code":"AccessDenied","Message":"{all}"}}"#);
    let sts = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>{SESSION}\
         </SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    );
    let sts_error = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>InvalidIdentityToken</Code><Message>{all}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    let file = |name: &str, text: String| files.file(name, &text).to_str().unwrap().to_owned();
    let keys = format!(
        "aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {SESSION}\n"
    );
    let shared = |name: &str, text: String| vec![("AWS_SHARED_CREDENTIALS_FILE", file(name, text))];
    let process = |name: &str, script: String| {
        let script = file(&format!("{name}.sh"), script);
        let config = file(name, format!("[default]\ncredential_process = /bin/sh {script} {BEARER}\n"));
        vec![("AWS_CONFIG_FILE", config), ("PATH", "/usr/bin:/bin".into())]
    };
    let from_container = |status: u16, body: &str| {
        let url = format!("http://{}/keys", http_server(status, body));
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", BEARER.into()),
        ]
    };
    let web_identity = |status: u16, body: &str| {
        vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file("token", BEARER.into())),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x".into()),
            ("AWS_ENDPOINT_URL_STS", format!("http://{}", http_server(status, body))),
        ]
    };
    let role =
        format!("[a]\n{keys}[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = a\n");
    let mut assumed = shared("role", role);
    assumed.push((
        "AWS_ENDPOINT_URL_STS",
        format!("http://{}", http_server(200, &sts.replace("WithWebIdentity", ""))),
    ));
    vec![
        (
            "environment",
            vec![
                ("AWS_ACCESS_KEY_ID", KEY_ID.into()),
                ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
                ("AWS_SESSION_TOKEN", SESSION.into()),
            ],
            true,
        ),
        ("a shared file", shared("good", format!("[default]\n{keys}")), true),
        (
            "a shared file without its secret",
            shared("half", format!("[default]\naws_access_key_id = {KEY_ID}\n")),
            false,
        ),
        ("a shared file of garbage", shared("garbage", format!("[default]\n{all}\n")), false),
        ("a shared file with a bad section", shared("section", format!("[{all}\n{keys}")), false),
        (
            "a key id where the secret belongs",
            shared("names", format!("[default]\n{SECRET_KEY} = {KEY_ID}\n")),
            false,
        ),
        ("an assumed role", assumed, true),
        ("a process", process("process", format!("echo '{good}'")), true),
        (
            "a process that says half",
            process("process-half", format!("echo '{}'", &good[..good.len() - 4])),
            false,
        ),
        ("a process that says no JSON", process("process-text", format!("echo '{all}'")), false),
        ("a process that fails", process("process-fails", format!("echo '{all}' >&2; exit 3")), false),
        ("a container", from_container(200, &container), true),
        ("a container that says half", from_container(200, &container[..container.len() - 4]), false),
        ("a container that says no JSON", from_container(200, &all), false),
        ("a container that refuses", from_container(403, &refused), false),
        ("a container that refuses with 200", from_container(200, &refused), false),
        ("web identity", web_identity(200, &sts), true),
        ("web identity that says no XML", web_identity(200, &all), false),
        ("web identity that refuses", web_identity(400, &sts_error), false),
        ("web identity that refuses without XML", web_identity(400, &all), false),
    ]
}

/// Answers every request alike, until the test process ends.
fn http_server(status: u16, body: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some((_, value)) =
                    line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            let mut request_body = vec![0; length];
            let _ = reader.read_exact(&mut request_body);
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_wherever_credentials_come_from_or_fail_to() {
    let files = Scratch::new();
    let mut evidence = Evidence::default();
    for (what, variables, there) in ways(&files) {
        let with = |args: &[&str]| {
            let command = command(args).with("AWS_REGION", "eu-west-1").with("RUST_LOG", "trace");
            variables.iter().fold(command, |command, (name, value)| command.with(name, value))
        };
        let check = with(&["check"]).run().await;
        assert_eq!(check.code, Some(i32::from(!there)), "{what}: {check:?}");
        evidence.add(format!("what check prints: {what}"), format!("{}\n{}", check.out, check.err));
        for log_format in ["text", "json"] {
            let serve = [
                "serve",
                "--grpc-addr=127.0.0.1:0",
                "--admin-addr=127.0.0.1:0",
                "--log-level=trace",
                "--shutdown-delay=0s",
            ];
            let mut program = with(&serve).with("GATEWAY_LOG_FORMAT", log_format).start();
            let wanted = if there { "loaded AWS credentials" } else { "can't load AWS credentials" };
            program.err.until(|line| line.contains(wanted)).await;
            program.signal("TERM");
            let ended = program.end().await;
            evidence.add(format!("the {log_format} log: {what}"), format!("{}\n{}", ended.out, ended.err));
        }
    }
    evidence.assert_no_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_where_the_command_refuses_to_start() {
    let rows = [
        ("AWS_REGION", "EU"),
        ("AWS_ENDPOINT_URL", "nowhere"),
        ("GATEWAY_GRPC_ADDR", "x"),
        ("GATEWAY_LOG_LEVEL", "trace,x=loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:planted-collector-key_8uT2vX7nB3@collector:4317"),
    ];
    let mut evidence = Evidence::default();
    for subcommand in ["serve", "check"] {
        for (variable, value) in rows {
            let refused = with_planted_keys(command(&[subcommand])).with("GATEWAY_LOG_LEVEL", "trace");
            let ended = refused.with(variable, value).run().await;
            assert_eq!(ended.code, Some(64), "{variable}: {ended:?}");
            evidence
                .add(format!("{subcommand} with a bad {variable}"), format!("{}\n{}", ended.out, ended.err));
        }
    }
    evidence.assert_no_secret();
}
