//! Who may call, by bearer token: real signatures, one flaw each.

use std::fs;
use std::sync::Arc;

use codepipeline_gateway::auth::{AllowList, Auth, Jwt, KeySource, RefreshSchedule};
use codepipeline_gateway::proto::third_party_job_service_client::ThirdPartyJobServiceClient;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::auth::reflection;
use crate::harness::{Answer, World, fake_keys, settings};
use crate::tokens::{
    AUDIENCE, ISSUER, SUBJECT, Signer, base64, claims, good, hmac_sha256, now, set_of, signed_by,
    with_authorization, with_token,
};

pub fn auth(source: KeySource, allow: &[&str], pace: RefreshSchedule) -> Auth {
    let allow = AllowList::new(allow.iter().map(|rule| rule.parse().unwrap()).collect()).unwrap();
    Auth::Jwt(Arc::new(Jwt::new(ISSUER.into(), AUDIENCE, source, allow, pace)))
}

/// With the folder that the keys are in.
async fn world(keys: &[Value], allow: &[&str]) -> (World, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jwks.json");
    fs::write(&path, set_of(keys)).unwrap();
    let mut settings = settings();
    settings.auth = auth(KeySource::file(path).unwrap(), allow, RefreshSchedule::default());
    (World::with(settings, Some(fake_keys())).await, folder)
}

const ANYBODY: &str = "sub:system:*";

/// The parts of the sentences that say which.
const MISSING: &str = "has no bearer token";
const MALFORMED: &str = "is malformed";
const ALGORITHM: &str = "by an algorithm that isn't accepted";
const SIGNATURE: &str = "isn't signed by a key that the gateway has";
const EXPIRED: &str = "has expired";
const NOT_YET: &str = "isn't valid yet";
const ISSUED: &str = "from another issuer";
const MEANT: &str = "for another audience";

fn assert_refused(answer: &Answer, sentence: &str, what: &str) {
    let told = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
    let expected = (Code::Unauthenticated, "CALLER_UNAUTHENTICATED".to_owned(), "not_sent".to_owned(), 0);
    assert_eq!(told, expected, "{what}: {answer:?}");
    assert!(answer.status().message().contains(sentence), "{what}: {}", answer.status().message());
    assert!(answer.details().retry_info().is_none() && answer.details().request_info().is_some(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_exactly_one_token_is_told_so() {
    let signer = Signer::p256("one");
    let (world, _folder) = world(&[signer.jwk()], &[ANYBODY]).await;
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
        ("two, one of them of another scheme", vec!["Basic eA==".into(), bearer.clone()], MALFORMED),
        ("two in one", vec![format!("{bearer}, {bearer}")], MALFORMED),
        ("something behind it", vec![format!("{bearer} x")], MALFORMED),
        ("padding", vec![format!("{bearer}=")], MALFORMED),
        ("one part", vec!["Bearer opaque-token".into()], MALFORMED),
        ("two parts", vec![format!("Bearer {}", token.rsplit_once('.').unwrap().0)], MALFORMED),
        ("four parts", vec![format!("{bearer}.x")], MALFORMED),
        ("an encrypted one", vec!["Bearer eyJ.a.b.c.d".into()], MALFORMED),
        ("no claims", vec![format!("Bearer {}..{signature}", token.split('.').next().unwrap())], MALFORMED),
        ("a header that is no JSON", vec![format!("Bearer {}.e30.{signature}", base64(b"{"))], MALFORMED),
        ("one that is too long", vec![long], MALFORMED),
    ];
    for (what, values, sentence) in rows {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert_refused(&world.gateway.send(with_authorization("job", &values)).await, sentence, what);
    }
    assert_eq!(world.simulator.requests().len(), 0, "AWS heard nothing");
    world.stop().await;
}

/// Everything that a set may have in it; a token of each kind is tried although its key is there.
struct Keys {
    rsa: Signer,
    ec: Signer,
    others: [Signer; 3],
}

impl Keys {
    fn new() -> Self {
        let others = [Signer::p384("p384"), Signer::ed25519("ed"), Signer::rsa("for-encryption", 1)];
        Self { rsa: Signer::rsa("rsa", 0), ec: Signer::p256("ec"), others }
    }

    fn set(&self) -> Vec<Value> {
        let with = |mut jwk: Value, name: &str, value: Value| {
            jwk[name] = value;
            jwk
        };
        let [p384, ed, for_encryption] = &self.others;
        let secret =
            json!({"kty": "oct", "kid": "oct", "use": "sig", "alg": "HS256", "k": base64(b"shared secret")});
        let without_alg = with(self.rsa.jwk(), "kid", "rsa-any".into());
        vec![
            self.rsa.jwk(),
            self.ec.jwk(),
            p384.jwk(),
            ed.jwk(),
            with(for_encryption.jwk(), "use", "enc".into()),
            with(with(self.rsa.jwk(), "kid", "rsa-pss".into()), "alg", "PS256".into()),
            with(without_alg, "alg", Value::Null),
            secret,
            json!({"kty": "from the future", "kid": "future"}),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_own_type_decides_how_a_token_is_verified() {
    let keys = Keys::new();
    let Keys { rsa, ec, others: [p384, ed, for_encryption] } = &keys;
    let (world, _folder) = world(&keys.set(), &[ANYBODY]).await;
    let header = |alg: &str, kid: &str| json!({"typ": "JWT", "alg": alg, "kid": kid});
    let hmac = |signer: &Signer, kid: &str| {
        signed_by(&header("HS256", kid), &good(), |message| hmac_sha256(&signer.public_bytes(), message))
    };
    let unsigned = |alg: &str| signed_by(&header(alg, "rsa"), &good(), |_| Vec::new());
    // The secret of the attack's textbook form: the public key's bytes as RS256's "signature" by HMAC.
    let confused = |alg: &str, kid: &str, signer: &Signer| {
        signed_by(&header(alg, kid), &good(), |message| hmac_sha256(&signer.public_bytes(), message))
    };
    let jwk_inside = json!({"alg": "ES256", "kid": "mine", "jwk": Signer::p256("mine").jwk()});
    let rows = [
        ("alg none, without a signature", unsigned("none"), ALGORITHM),
        ("alg none, with one", rsa.sign(&header("none", "rsa"), &good()), ALGORITHM),
        ("alg None", unsigned("None"), ALGORITHM),
        ("RS256 without a signature", unsigned("RS256"), SIGNATURE),
        ("HS256 by the RSA key's public bytes", hmac(rsa, "rsa"), ALGORITHM),
        ("HS256 by the EC key's public bytes", hmac(ec, "ec"), ALGORITHM),
        ("HS256 by a secret of the set", hmac(rsa, "oct"), ALGORITHM),
        ("RS256 that is an HMAC", confused("RS256", "rsa", rsa), SIGNATURE),
        ("ES256 that is an HMAC", confused("ES256", "ec", ec), SIGNATURE),
        ("PS256", rsa.sign(&header("PS256", "rsa"), &good()), ALGORITHM),
        ("RS384", rsa.sign(&header("RS384", "rsa"), &good()), ALGORITHM),
        ("RS512", rsa.sign(&header("RS512", "rsa"), &good()), ALGORITHM),
        ("ES384", p384.token(&good()), ALGORITHM),
        ("EdDSA", ed.token(&good()), ALGORITHM),
        ("rs256", rsa.sign(&header("rs256", "rsa"), &good()), ALGORITHM),
        ("an EC signature under the RSA key's id", ec.sign(&header("ES256", "rsa"), &good()), SIGNATURE),
        ("an RSA signature said to be EC", rsa.sign(&header("ES256", "rsa"), &good()), SIGNATURE),
        ("an RSA signature under the EC key's id", rsa.sign(&header("RS256", "ec"), &good()), SIGNATURE),
        ("a P-384 signature said to be ES256", p384.sign(&header("ES256", "p384"), &good()), SIGNATURE),
        ("PSS said to be PKCS 1", rsa_pss_as_rs256(rsa), SIGNATURE),
        ("a key for encryption", for_encryption.token(&good()), SIGNATURE),
        ("a key for another algorithm", rsa.sign(&header("RS256", "rsa-pss"), &good()), SIGNATURE),
        ("another key under a known id", Signer::p256("ec").token(&good()), SIGNATURE),
        ("an unknown id", ec.sign(&header("ES256", "nobody"), &good()), SIGNATURE),
        ("an empty id", ec.sign(&header("ES256", ""), &good()), SIGNATURE),
        ("no id", ec.sign(&json!({"alg": "ES256"}), &good()), MALFORMED),
        ("an id that is no text", ec.sign(&json!({"alg": "ES256", "kid": 1}), &good()), MALFORMED),
        ("no alg", ec.sign(&json!({"kid": "ec"}), &good()), MALFORMED),
        (
            "an extension that is critical",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1}), &good()),
            MALFORMED,
        ),
        (
            "an extension that is nothing",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "crit": null}), &good()),
            MALFORMED,
        ),
        (
            "claims that aren't encoded",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "b64": false, "crit": ["b64"]}), &good()),
            MALFORMED,
        ),
        ("a key of its own", ec.sign(&jwk_inside, &good()), SIGNATURE),
        ("another's claims", swapped(ec), SIGNATURE),
    ];
    for (what, token, sentence) in rows {
        assert_refused(&world.gateway.send(with_token("job", &token)).await, sentence, what);
    }
    assert_eq!(world.simulator.requests().len(), 0, "AWS heard nothing");
    for (job, token) in [
        ("job-rsa", rsa.token(&good())),
        ("job-ec", ec.token(&good())),
        ("job-any", rsa.sign(&header("RS256", "rsa-any"), &good())),
    ] {
        world.add(job);
        world.gateway.send(with_token(job, &token)).await.ok();
    }
    world.stop().await;
}

/// The signature is good, for another algorithm than the token says.
fn rsa_pss_as_rs256(rsa: &Signer) -> String {
    let pss = rsa.sign(&json!({"alg": "PS256", "kid": "rsa"}), &good());
    let claims = pss.split('.').nth(1).unwrap();
    let message =
        format!("{}.{claims}", base64(json!({"alg": "RS256", "kid": "rsa"}).to_string().as_bytes()));
    let signature = rsa.sign_with("PS256", message.as_bytes());
    format!("{message}.{}", base64(&signature))
}

/// The claims of one token with the signature of another.
fn swapped(signer: &Signer) -> String {
    let (mine, other) = (signer.token(&claims(&json!({"sub": "system:admin"}))), signer.token(&good()));
    format!("{}.{}", mine.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_claim_is_checked_and_only_of_a_token_whose_signature_is_good() {
    let (signer, stranger) = (Signer::p256("ec"), Signer::p256("ec"));
    let (world, _folder) = world(&[signer.jwk()], &[ANYBODY]).await;
    let rows = [
        ("expired", json!({"exp": now() - 3600}), EXPIRED),
        ("expired beyond the leeway", json!({"exp": now() - 120}), EXPIRED),
        ("expired before the epoch", json!({"exp": -1}), MALFORMED),
        ("no exp", json!({"exp": null}), MALFORMED),
        ("an exp that is text", json!({"exp": (now() + 600).to_string()}), MALFORMED),
        ("not yet valid", json!({"nbf": now() + 3600}), NOT_YET),
        ("an nbf that is text", json!({"nbf": "now"}), MALFORMED),
        ("another issuer", json!({"iss": "https://evil.test"}), ISSUED),
        ("the issuer with a slash", json!({"iss": format!("{ISSUER}/")}), ISSUED),
        ("the issuer in capitals", json!({"iss": ISSUER.to_uppercase()}), ISSUED),
        ("several issuers", json!({"iss": [ISSUER, "https://evil.test"]}), MALFORMED),
        ("no issuer", json!({"iss": null}), MALFORMED),
        ("another audience", json!({"aud": "another-service"}), MEANT),
        ("other audiences", json!({"aud": ["a", "b"]}), MEANT),
        ("no audience at all", json!({"aud": []}), MEANT),
        ("a part of the audience", json!({"aud": "codepipeline"}), MEANT),
        ("no aud", json!({"aud": null}), MALFORMED),
        ("an aud that is a number", json!({"aud": 1}), MALFORMED),
        ("no subject", json!({"sub": null}), MALFORMED),
        ("an empty subject", json!({"sub": ""}), MALFORMED),
        ("a subject that is a number", json!({"sub": 7}), MALFORMED),
        ("several subjects", json!({"sub": [SUBJECT]}), MALFORMED),
    ];
    for (what, changed, sentence) in rows {
        let refused = world.gateway.send(with_token("job", &signer.token(&claims(&changed)))).await;
        assert_refused(&refused, sentence, what);
        // Whoever can't sign learns nothing of the claims.
        let forged = world.gateway.send(with_token("job", &stranger.token(&claims(&changed)))).await;
        assert_refused(&forged, SIGNATURE, what);
    }
    let twice = format!(
        r#"{{"sub":"a","sub":"{SUBJECT}","iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{}}}"#,
        now() + 60
    );
    let twice = signer.token_of(twice.as_bytes());
    assert_refused(&world.gateway.send(with_token("job", &twice)).await, MALFORMED, "two subjects");
    let no_object = signer.token_of(b"[1]");
    assert_refused(&world.gateway.send(with_token("job", &no_object)).await, MALFORMED, "no object");
    assert_eq!(world.simulator.requests().len(), 0, "AWS heard nothing");

    let accepted = [
        ("a clock that is a little off", json!({"exp": now() - 5})),
        ("a clock that is a little off the other way", json!({"nbf": now() + 10})),
        ("an nbf that has passed", json!({"nbf": now() - 600})),
        ("one of several audiences", json!({"aud": ["another-service", AUDIENCE]})),
        ("fractions of a second", json!({"exp": 4e9 + 0.5})),
        ("almost 8 KiB of them", json!({"groups": "g".repeat(5900)})),
        ("claims that nobody asks for", json!({"kubernetes.io": {"namespace": "builds"}, "jti": "1"})),
    ];
    for (number, (what, changed)) in accepted.into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let answer = world.gateway.send(with_token(&job, &signer.token(&claims(&changed)))).await;
        assert_eq!(answer.code(), Code::Ok, "{what}: {answer:?}");
    }
    let errors = r#"codepipeline_gateway_errors_total{reason="CALLER_UNAUTHENTICATED"}"#;
    assert_eq!(world.gateway.metric(errors).await, 46.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_verified_before_lets_no_other_in() {
    let (signer, stranger) = (Signer::p256("ec"), Signer::p256("ec"));
    let (world, _folder) = world(&[signer.jwk()], &[ANYBODY]).await;
    let used = signer.token(&good());
    for job in ["first", "again"] {
        world.add(job);
        assert_eq!(world.gateway.send(with_token(job, &used)).await.code(), Code::Ok);
    }
    let (message, signature) = used.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other_claims = base64(claims(&json!({"sub": "system:admin"})).to_string().as_bytes());
    for (what, token) in [
        ("a stranger's signature", stranger.token(&good())),
        ("no signature", format!("{message}.")),
        ("other claims", format!("{header}.{other_claims}.{signature}")),
    ] {
        assert_refused(&world.gateway.send(with_token("job", &token)).await, SIGNATURE, what);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_has_to_be_on_the_list() {
    let signer = Signer::p256("ec");
    let allow = ["sub:system:serviceaccount:builds:*", "sub:auth0|42", "sub:repo/main/*"];
    let (world, _folder) = world(&[signer.jwk()], &allow).await;
    let rows = [
        ("system:serviceaccount:builds:worker", true),
        ("system:serviceaccount:builds:a:b", true),
        ("system:serviceaccount:builds:", false),
        ("system:serviceaccount:builds", false),
        ("system:serviceaccount:builds-of-others:worker", false),
        ("system:serviceaccount:other:builds:worker", false),
        ("SYSTEM:serviceaccount:builds:worker", false),
        ("auth0|42", true),
        ("auth0|421", false),
        ("auth0|4", false),
        ("repo/main/x", true),
        ("repo/main", false),
        ("*", false),
        ("sub:auth0|42", false),
    ];
    for (number, (subject, allowed)) in rows.into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let token = signer.token(&claims(&json!({"sub": subject})));
        let answer = world.gateway.send(with_token(&job, &token)).await;
        if allowed {
            assert_eq!(answer.ok().aws_status, "InProgress", "{subject}");
        } else {
            let told = (answer.code(), answer.reason(), answer.outcome(), answer.attempts());
            assert_eq!(
                told,
                (Code::PermissionDenied, "CALLER_NOT_ALLOWED".into(), "not_sent".into(), 0),
                "{subject}"
            );
            assert!(!answer.status().message().contains(subject), "{answer:?}");
        }
        assert_eq!(world.requests_for(&job), usize::from(allowed), "{subject}: AWS hears of no other");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_has_any_case_and_any_number_of_spaces() {
    let signer = Signer::rsa("rsa", 0);
    let (world, _folder) = world(&[signer.jwk()], &[ANYBODY]).await;
    for (number, scheme) in ["Bearer ", "bearer ", "BEARER ", "Bearer   "].into_iter().enumerate() {
        let job = format!("job-{number}");
        world.add(&job);
        let value = format!("{scheme}{}", signer.token(&good()));
        world.gateway.send(with_authorization(&job, &[&value])).await.ok();
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_under_one_id_may_each_have_signed() {
    let (rsa, [one, two, third]) = (Signer::rsa("same", 0), ["same"; 3].map(Signer::p256));
    let (world, _folder) = world(&[one.jwk(), rsa.jwk(), two.jwk()], &[ANYBODY]).await;
    for (job, signer) in [("job-1", &one), ("job-2", &two), ("job-3", &rsa)] {
        world.add(job);
        world.gateway.send(with_token(job, &signer.token(&good()))).await.ok();
    }
    assert_refused(&world.gateway.send(with_token("job", &third.token(&good()))).await, SIGNATURE, "a third");
    // The first key's signature is another; that the second's is good is what counts for what is said next.
    let expired = two.token(&claims(&json!({"exp": now() - 3600})));
    assert_refused(&world.gateway.send(with_token("job", &expired)).await, EXPIRED, "expired");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_open_and_reflection_is_not() {
    let signer = Signer::p256("ec");
    let (world, _folder) = world(&[signer.jwk()], &["sub:system:serviceaccount:builds:worker"]).await;
    world.gateway.wait_for_health(ServingStatus::Serving).await;
    let channel = world.gateway.channel.clone();
    let other = signer.token(&claims(&json!({"sub": "system:serviceaccount:other:worker"})));
    assert_eq!(reflection(channel.clone(), None).await, Code::Unauthenticated);
    assert_eq!(reflection(channel.clone(), Some(&other)).await, Code::PermissionDenied);
    assert_eq!(reflection(channel.clone(), Some(&signer.token(&good()))).await, Code::Ok);
    // A method that isn't there is nobody's to ask about either.
    let mut client = ThirdPartyJobServiceClient::new(channel);
    let refused: Answer = client.acknowledge_third_party_job(with_authorization("job", &[])).await.into();
    assert_refused(&refused, MISSING, "a call");
    world.stop().await;
}
