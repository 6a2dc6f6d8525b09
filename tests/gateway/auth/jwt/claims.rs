//! Claims: each is checked, after the signature.

use serde_json::json;
use tonic::Code;

use super::{
    ANY_CALLER, EXPIRED, MALFORMED, NOT_YET_VALID, OTHER_AUDIENCE, OTHER_ISSUER, SIGNATURE, assert_rejected,
    world,
};
use crate::harness::tokens::{AUDIENCE, ISSUER, SUBJECT, Signer, claims, now, with_token};

#[tokio::test(flavor = "multi_thread")]
async fn each_claim_is_checked_after_the_signature() {
    let (signer, unknown) = (Signer::p256("ec"), Signer::p256("ec"));
    let (world, _folder) = world(&[signer.jwk()], &[ANY_CALLER]).await;
    let rows = [
        ("expired", json!({"exp": now() - 3600}), EXPIRED),
        ("expired beyond the leeway", json!({"exp": now() - 120}), EXPIRED),
        ("expired before the epoch", json!({"exp": -1}), MALFORMED),
        ("no exp", json!({"exp": null}), MALFORMED),
        ("an exp that is text", json!({"exp": (now() + 600).to_string()}), MALFORMED),
        ("not yet valid", json!({"nbf": now() + 3600}), NOT_YET_VALID),
        ("an nbf that is text", json!({"nbf": "now"}), MALFORMED),
        ("another issuer", json!({"iss": "https://evil.test"}), OTHER_ISSUER),
        ("the issuer with a slash", json!({"iss": format!("{ISSUER}/")}), OTHER_ISSUER),
        ("the issuer in capitals", json!({"iss": ISSUER.to_uppercase()}), OTHER_ISSUER),
        ("several issuers", json!({"iss": [ISSUER, "https://evil.test"]}), MALFORMED),
        ("no issuer", json!({"iss": null}), MALFORMED),
        ("another audience", json!({"aud": "another-service"}), OTHER_AUDIENCE),
        ("other audiences", json!({"aud": ["a", "b"]}), OTHER_AUDIENCE),
        ("no audience at all", json!({"aud": []}), OTHER_AUDIENCE),
        ("a part of the audience", json!({"aud": "codepipeline"}), OTHER_AUDIENCE),
        ("no aud", json!({"aud": null}), MALFORMED),
        ("an aud that is a number", json!({"aud": 1}), MALFORMED),
        ("no subject", json!({"sub": null}), MALFORMED),
        ("an empty subject", json!({"sub": ""}), MALFORMED),
        ("a subject that is a number", json!({"sub": 7}), MALFORMED),
        ("several subjects", json!({"sub": [SUBJECT]}), MALFORMED),
    ];
    for (what, changed, sentence) in rows {
        let rejected = world.gateway.send(with_token("job", &signer.token(&claims(&changed)))).await;
        assert_rejected(&rejected, sentence, what);
        // A caller without the key learns nothing about the claims.
        let forged = world.gateway.send(with_token("job", &unknown.token(&claims(&changed)))).await;
        assert_rejected(&forged, SIGNATURE, what);
    }
    let twice = format!(
        r#"{{"sub":"a","sub":"{SUBJECT}","iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{}}}"#,
        now() + 60
    );
    let twice = signer.token_of(twice.as_bytes());
    assert_rejected(&world.gateway.send(with_token("job", &twice)).await, MALFORMED, "two subjects");
    let not_an_object = signer.token_of(b"[1]");
    assert_rejected(&world.gateway.send(with_token("job", &not_an_object)).await, MALFORMED, "not an object");
    assert_eq!(world.simulator.requests().len(), 0, "requests at AWS");
    let errors = r#"codepipeline_gateway_errors_total{reason="CALLER_UNAUTHENTICATED"}"#;
    assert_eq!(world.gateway.metric(errors).await, 46.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_claims_are_accepted() {
    let signer = Signer::p256("ec");
    let (world, _folder) = world(&[signer.jwk()], &[ANY_CALLER]).await;
    let accepted = [
        ("a small clock difference", json!({"exp": now() - 5})),
        ("a small clock difference in the other direction", json!({"nbf": now() + 10})),
        ("an nbf in the past", json!({"nbf": now() - 600})),
        ("one of several audiences", json!({"aud": ["another-service", AUDIENCE]})),
        ("fractions of a second", json!({"exp": 4e9 + 0.5})),
        ("claims of almost 8 KiB", json!({"groups": "g".repeat(5900)})),
        ("unknown claims", json!({"kubernetes.io": {"namespace": "builds"}, "jti": "1"})),
    ];
    for (number, (what, changed)) in accepted.into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let answer = world.gateway.send(with_token(&job, &signer.token(&claims(&changed)))).await;
        assert_eq!(answer.code(), Code::Ok, "{what}: {answer:?}");
    }
    world.stop().await;
}
