//! Signatures and AWS's errors for them.

use codepipeline_simulator::{AccessKey, Config, SignatureVerdict, Simulator};

use crate::client::Call;
use crate::{JOB, simulator, with_config};

/// Sends a call that must be rejected. Returns AWS's code and message, and the recorded verdict.
async fn rejected(simulator: &Simulator, call: Call) -> (String, String, SignatureVerdict) {
    let (code, message) = call.send(simulator.addr()).await.unwrap().error();
    assert_eq!(simulator.acknowledged(JOB), 0);
    (code, message, simulator.requests().last().unwrap().signature)
}

fn temporary(token: &str) -> AccessKey {
    AccessKey::fake().with_session_token(token)
}

fn signed_with_token(token: &str) -> Call {
    let mut call = Call { key: temporary(token), ..Call::default() };
    call.signed_headers = vec!["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"];
    call
}

#[tokio::test]
async fn unknown_key_is_rejected() {
    let key = AccessKey::new("AKIAOTHEROTHEROTHER1", AccessKey::fake().secret_access_key);
    let (code, message, verdict) = rejected(&simulator().await, Call { key, ..Call::default() }).await;
    assert_eq!((&*code, verdict), ("UnrecognizedClientException", SignatureVerdict::UnknownKey));
    assert_eq!(message, "The security token included in the request is invalid.");
}

#[tokio::test]
async fn wrong_secret_is_rejected() {
    let key = AccessKey::new(AccessKey::fake().access_key_id, "another-fake-secret");
    let (code, message, verdict) = rejected(&simulator().await, Call { key, ..Call::default() }).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::Mismatch));
    assert!(
        message.starts_with("The request signature we calculated does not match the signature you provided.")
    );
}

#[tokio::test]
async fn changed_body_is_rejected() {
    let simulator = simulator().await;
    let authorization = Call::of(JOB, "another-nonce", "another-token").authorization(simulator.addr());
    let call = Call { authorization: Some(authorization), ..Call::default() };
    let (code, _, verdict) = rejected(&simulator, call).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::Mismatch));
}

#[tokio::test]
async fn session_tokens_are_checked() {
    let simulator = with_config(Config { keys: vec![temporary("fake-session")], ..Config::default() }).await;
    for call in [signed_with_token("another-session"), Call::default()] {
        let (code, _, verdict) = rejected(&simulator, call).await;
        assert_eq!((&*code, verdict), ("UnrecognizedClientException", SignatureVerdict::WrongToken));
    }
    simulator.set_keys(vec![temporary("fake-session").expired()]);
    let (code, message, verdict) = rejected(&simulator, signed_with_token("fake-session")).await;
    assert_eq!((&*code, verdict), ("ExpiredTokenException", SignatureVerdict::TokenExpired));
    assert_eq!(message, "The security token included in the request is expired");

    simulator.set_keys(vec![AccessKey::fake()]);
    let (code, _, _) = rejected(&simulator, signed_with_token("none-is-due")).await;
    assert_eq!(code, "UnrecognizedClientException");

    simulator.set_keys(vec![temporary("fake-session")]);
    assert_eq!(signed_with_token("fake-session").send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn fake_temporary_key_is_known_by_default() {
    let key = AccessKey::fake_temporary();
    let call = Call { key: key.clone(), ..signed_with_token(key.session_token.as_deref().unwrap()) };
    assert_eq!(call.send(simulator().await.addr()).await.unwrap().status, 200);
    let another = Call { key: key.with_session_token("another-session"), ..call };
    let (code, _, _) = rejected(&simulator().await, another).await;
    assert_eq!(code, "UnrecognizedClientException");
}

#[tokio::test]
async fn request_dates_are_checked() {
    let simulator = simulator().await;
    let (code, message, verdict) = rejected(&simulator, Call { ahead: -330, ..Call::default() }).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::Expired));
    assert!(message.starts_with("Signature expired: 2"), "{message}");
    assert!(message.contains("Z is now earlier than 2") && message.ends_with("Z - 5 min.)"), "{message}");

    let (code, message, verdict) = rejected(&simulator, Call { ahead: 330, ..Call::default() }).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::NotYetCurrent));
    assert!(message.starts_with("Signature not yet current: 2"), "{message}");
    assert!(message.contains("Z is still later than 2") && message.ends_with("Z + 5 min.)"), "{message}");

    assert_eq!(Call { ahead: 270, ..Call::default() }.send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn clock_can_be_shifted() {
    let simulator = simulator().await;
    simulator.shift_clock(3600);
    let rejected = Call::default().send(simulator.addr()).await.unwrap();
    assert_eq!(rejected.error_code(), "InvalidSignatureException");
    // A client that corrects its clock by `Date` succeeds.
    let date = httpdate::parse_http_date(&rejected.headers["date"]).unwrap();
    let ahead = date.duration_since(std::time::SystemTime::now()).unwrap().as_secs();
    assert!((3590..=3600).contains(&ahead), "{ahead}");
    assert_eq!(Call { ahead: 3600, ..Call::default() }.send(simulator.addr()).await.unwrap().status, 200);

    simulator.shift_clock(i64::MIN);
    assert_eq!(
        Call::default().send(simulator.addr()).await.unwrap().error_code(),
        "InvalidSignatureException"
    );
    simulator.shift_clock(0);
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().error_code(), "InvalidNonceException");
}

#[tokio::test]
async fn missing_authorization_is_rejected() {
    let simulator = simulator().await;
    for authorization in ["", "Basic ZmFrZTpmYWtl", "Bearer fake"] {
        let call = Call { authorization: Some(authorization.to_owned()), ..Call::default() };
        let (code, message, verdict) = rejected(&simulator, call).await;
        assert_eq!((&*code, verdict), ("MissingAuthenticationTokenException", SignatureVerdict::Missing));
        assert_eq!(message, "Missing Authentication Token");
    }
}

#[tokio::test]
async fn malformed_authorization_is_rejected() {
    let simulator = simulator().await;
    for (authorization, text) in [
        ("AWS4-HMAC-SHA256", "Authorization header requires 'Credential' parameter."),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e", "Authorization header requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential", "'Credential' not a valid key=value pair (missing equal-sign)"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
            "Credential must have exactly 5",
        ),
        (
            "AWS4-HMAC-SHA1 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0",
            "Unsupported AWS 'algorithm'",
        ),
    ] {
        let call = Call { authorization: Some(authorization.to_owned()), ..Call::default() };
        let (code, message, verdict) = rejected(&simulator, call).await;
        assert_eq!((&*code, verdict), ("IncompleteSignatureException", SignatureVerdict::Incomplete));
        assert!(message.starts_with(text), "{message}");
    }
}

#[tokio::test]
async fn scope_is_checked() {
    let simulator = with_config(Config { region: Some("eu-west-1".to_owned()), ..Config::default() }).await;
    let everything_wrong = Call {
        region: "us-east-1".to_owned(),
        service: "sqs".to_owned(),
        scope_day: Some("20200101".to_owned()),
        ..Call::default()
    };
    let (code, message, verdict) = rejected(&simulator, everything_wrong).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::WrongScope));
    for text in [
        "Credential should be scoped to a valid region, not 'us-east-1'. ",
        "Credential should be scoped to correct service: 'codepipeline'. ",
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '20200101' != '2",
    ] {
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn any_region_is_accepted_by_default() {
    let call = Call { region: "ap-southeast-2".to_owned(), ..Call::default() };
    assert_eq!(call.send(simulator().await.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn host_must_be_signed() {
    let call = Call { signed_headers: vec!["x-amz-date", "x-amz-target"], ..Call::default() };
    let (code, message, verdict) = rejected(&simulator().await, call).await;
    assert_eq!((&*code, verdict), ("InvalidSignatureException", SignatureVerdict::HostNotSigned));
    assert_eq!(message, "'Host' must be a 'SignedHeader' in the AWS Authorization.");
}
