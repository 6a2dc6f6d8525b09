//! The `authorization` header, and the services that need no token.

use serde_json::json;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{ANY_CALLER, MALFORMED, MISSING, assert_rejected, world};
use crate::harness::reflection::reflection_code;
use crate::harness::tokens::{Signer, base64, claims, good, with_authorization};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_exactly_one_token_is_unauthenticated() {
    let signer = Signer::p256("one");
    let (world, _folder) = world(&[signer.jwk()], &[ANY_CALLER]).await;
    let token = signer.token(&good());
    let (bearer, long) =
        (format!("Bearer {token}"), format!("Bearer {}.{}.x", "a".repeat(4096), "b".repeat(4096)));
    let signature = token.rsplit('.').next().unwrap();
    let rows: Vec<(&str, Vec<String>, &str)> = vec![
        ("none", vec![], MISSING),
        ("an empty header", vec![String::new()], MISSING),
        ("another scheme", vec!["Basic dXNlcjpwYXNzd29yZA==".into()], MISSING),
        ("the token alone", vec![token.clone()], MISSING),
        ("the scheme alone", vec!["Bearer".into()], MISSING),
        ("no space", vec![format!("Bearer{token}")], MISSING),
        ("two", vec![bearer.clone(), bearer.clone()], MALFORMED),
        ("two, one of another scheme", vec!["Basic eA==".into(), bearer.clone()], MALFORMED),
        ("two in one", vec![format!("{bearer}, {bearer}")], MALFORMED),
        ("text after the token", vec![format!("{bearer} x")], MALFORMED),
        ("padding", vec![format!("{bearer}=")], MALFORMED),
        ("one part", vec!["Bearer opaque-token".into()], MALFORMED),
        ("two parts", vec![format!("Bearer {}", token.rsplit_once('.').unwrap().0)], MALFORMED),
        ("four parts", vec![format!("{bearer}.x")], MALFORMED),
        ("an encrypted one", vec!["Bearer eyJ.a.b.c.d".into()], MALFORMED),
        ("no claims", vec![format!("Bearer {}..{signature}", token.split('.').next().unwrap())], MALFORMED),
        ("a header that isn't JSON", vec![format!("Bearer {}.e30.{signature}", base64(b"{"))], MALFORMED),
        ("a token that is too long", vec![long], MALFORMED),
    ];
    for (what, values, sentence) in rows {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert_rejected(&world.gateway.send(with_authorization("job", &values)).await, sentence, what);
    }
    assert_eq!(world.simulator.requests().len(), 0, "requests at AWS");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_can_have_any_case_and_several_spaces() {
    let signer = Signer::rsa("rsa", 0);
    let (world, _folder) = world(&[signer.jwk()], &[ANY_CALLER]).await;
    for (number, scheme) in ["Bearer ", "bearer ", "BEARER ", "Bearer   "].into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let value = format!("{scheme}{}", signer.token(&good()));
        world.gateway.send(with_authorization(&job, &[&value])).await.ok();
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_open_and_reflection_is_not() {
    let signer = Signer::p256("ec");
    let (world, _folder) = world(&[signer.jwk()], &["sub:system:serviceaccount:builds:worker"]).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    let channel = world.gateway.channel.clone();
    let other = signer.token(&claims(&json!({"sub": "system:serviceaccount:other:worker"})));
    assert_eq!(reflection_code(channel.clone(), None).await, Code::Unauthenticated);
    assert_eq!(reflection_code(channel.clone(), Some(&other)).await, Code::PermissionDenied);
    assert_eq!(reflection_code(channel.clone(), Some(&signer.token(&good()))).await, Code::Ok);
    let rejected = world.gateway.send(with_authorization("job", &[])).await;
    assert_rejected(&rejected, MISSING, "a call");
    world.stop().await;
}
