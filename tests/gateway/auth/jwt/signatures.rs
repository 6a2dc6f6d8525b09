//! Signatures: the type of the key decides how the gateway verifies a token.

use serde_json::{Value, json};
use tonic::Code;

use super::{ALGORITHM, ANY_CALLER, EXPIRED, MALFORMED, SIGNATURE, assert_rejected, world};
use crate::harness::tokens::{Signer, base64, claims, good, hmac_sha256, now, signed_by, with_token};

/// A set with every kind of key. The gateway must reject unsupported tokens although their key is
/// in the set.
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

/// A description of a token, the token, and the sentence of its rejection.
type Row = (&'static str, String, &'static str);

fn header(alg: &str, kid: &str) -> Value {
    json!({"typ": "JWT", "alg": alg, "kid": kid})
}

/// A token with this algorithm, whose signature is an HMAC with the public key as the secret.
fn with_hmac(alg: &str, kid: &str, signer: &Signer) -> String {
    signed_by(&header(alg, kid), &good(), |message| hmac_sha256(&signer.public_bytes(), message))
}

/// Tokens without a signature, and with an HMAC in its place.
fn unsigned_tokens(Keys { rsa, ec, .. }: &Keys) -> Vec<Row> {
    let unsigned = |alg: &str| signed_by(&header(alg, "rsa"), &good(), |_| Vec::new());
    vec![
        ("alg none, without a signature", unsigned("none"), ALGORITHM),
        ("alg none, with one", rsa.sign(&header("none", "rsa"), &good()), ALGORITHM),
        ("alg None", unsigned("None"), ALGORITHM),
        ("RS256 without a signature", unsigned("RS256"), SIGNATURE),
        ("HS256 by the RSA key's public bytes", with_hmac("HS256", "rsa", rsa), ALGORITHM),
        ("HS256 by the EC key's public bytes", with_hmac("HS256", "ec", ec), ALGORITHM),
        ("HS256 by a secret of the set", with_hmac("HS256", "oct", rsa), ALGORITHM),
        ("RS256 with an HMAC", with_hmac("RS256", "rsa", rsa), SIGNATURE),
        ("ES256 with an HMAC", with_hmac("ES256", "ec", ec), SIGNATURE),
    ]
}

/// Tokens by an algorithm that the gateway doesn't accept.
fn unaccepted_algorithms(Keys { rsa, others: [p384, ed, _], .. }: &Keys) -> Vec<Row> {
    vec![
        ("PS256", rsa.sign(&header("PS256", "rsa"), &good()), ALGORITHM),
        ("RS384", rsa.sign(&header("RS384", "rsa"), &good()), ALGORITHM),
        ("RS512", rsa.sign(&header("RS512", "rsa"), &good()), ALGORITHM),
        ("ES384", p384.token(&good()), ALGORITHM),
        ("EdDSA", ed.token(&good()), ALGORITHM),
        ("rs256", rsa.sign(&header("rs256", "rsa"), &good()), ALGORITHM),
    ]
}

/// Tokens by a key that isn't the key of their header.
fn wrong_keys(Keys { rsa, ec, others: [p384, _, for_encryption] }: &Keys) -> Vec<Row> {
    vec![
        ("an EC signature with the RSA key's ID", ec.sign(&header("ES256", "rsa"), &good()), SIGNATURE),
        ("an RSA signature with the algorithm ES256", rsa.sign(&header("ES256", "rsa"), &good()), SIGNATURE),
        ("an RSA signature with the EC key's ID", rsa.sign(&header("RS256", "ec"), &good()), SIGNATURE),
        (
            "a P-384 signature with the algorithm ES256",
            p384.sign(&header("ES256", "p384"), &good()),
            SIGNATURE,
        ),
        ("PSS with the algorithm RS256", rsa_pss_as_rs256(rsa), SIGNATURE),
        ("a key for encryption", for_encryption.token(&good()), SIGNATURE),
        ("a key for another algorithm", rsa.sign(&header("RS256", "rsa-pss"), &good()), SIGNATURE),
        ("another key with a known ID", Signer::p256("ec").token(&good()), SIGNATURE),
        ("an unknown ID", ec.sign(&header("ES256", "unknown"), &good()), SIGNATURE),
        ("an empty ID", ec.sign(&header("ES256", ""), &good()), SIGNATURE),
        ("the claims of another token", swapped(ec), SIGNATURE),
    ]
}

/// Tokens with an unusable header.
fn unusable_headers(Keys { ec, .. }: &Keys) -> Vec<Row> {
    let jwk_inside = json!({"alg": "ES256", "kid": "mine", "jwk": Signer::p256("mine").jwk()});
    vec![
        ("no ID", ec.sign(&json!({"alg": "ES256"}), &good()), MALFORMED),
        ("an ID that isn't text", ec.sign(&json!({"alg": "ES256", "kid": 1}), &good()), MALFORMED),
        ("no alg", ec.sign(&json!({"kid": "ec"}), &good()), MALFORMED),
        (
            "a critical extension",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1}), &good()),
            MALFORMED,
        ),
        (
            "a null extension",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "crit": null}), &good()),
            MALFORMED,
        ),
        (
            "claims without encoding",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "b64": false, "crit": ["b64"]}), &good()),
            MALFORMED,
        ),
        ("a key in the header", ec.sign(&jwk_inside, &good()), SIGNATURE),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_the_key_decides_how_a_token_is_verified() {
    let keys = Keys::new();
    let (world, _folder) = world(&keys.set(), &[ANY_CALLER]).await;
    let rows =
        [unsigned_tokens(&keys), unaccepted_algorithms(&keys), wrong_keys(&keys), unusable_headers(&keys)];
    assert_eq!(rows.each_ref().map(Vec::len), [9, 6, 11, 7]);
    for (what, token, sentence) in rows.into_iter().flatten() {
        assert_rejected(&world.gateway.send(with_token("job", &token)).await, sentence, what);
    }
    assert_eq!(world.simulator.requests().len(), 0, "requests at AWS");
    for (job, token) in [
        ("job-rsa", keys.rsa.token(&good())),
        ("job-ec", keys.ec.token(&good())),
        ("job-any", keys.rsa.sign(&header("RS256", "rsa-any"), &good())),
    ] {
        world.add(job);
        world.gateway.send(with_token(job, &token)).await.ok();
    }
    world.stop().await;
}

/// A token with a valid signature, but by another algorithm than its header names.
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
async fn a_cached_token_does_not_admit_other_tokens() {
    let (signer, unknown) = (Signer::p256("ec"), Signer::p256("ec"));
    let (world, _folder) = world(&[signer.jwk()], &[ANY_CALLER]).await;
    let used = signer.token(&good());
    for job in ["first", "again"] {
        world.add(job);
        assert_eq!(world.gateway.send(with_token(job, &used)).await.code(), Code::Ok);
    }
    let (message, signature) = used.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other_claims = base64(claims(&json!({"sub": "system:admin"})).to_string().as_bytes());
    for (what, token) in [
        ("the signature of an unknown key", unknown.token(&good())),
        ("no signature", format!("{message}.")),
        ("other claims", format!("{header}.{other_claims}.{signature}")),
    ] {
        assert_rejected(&world.gateway.send(with_token("job", &token)).await, SIGNATURE, what);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_keys_with_one_id_can_verify_a_token() {
    let (rsa, [one, two, third]) = (Signer::rsa("same", 0), ["same"; 3].map(Signer::p256));
    let (world, _folder) = world(&[one.jwk(), rsa.jwk(), two.jwk()], &[ANY_CALLER]).await;
    for (job, signer) in [("job-1", &one), ("job-2", &two), ("job-3", &rsa)] {
        world.add(job);
        world.gateway.send(with_token(job, &signer.token(&good()))).await.ok();
    }
    assert_rejected(
        &world.gateway.send(with_token("job", &third.token(&good()))).await,
        SIGNATURE,
        "a third",
    );
    // The second key verifies the signature, so the message names the next defect.
    let expired = two.token(&claims(&json!({"exp": now() - 3600})));
    assert_rejected(&world.gateway.send(with_token("job", &expired)).await, EXPIRED, "expired");
    world.stop().await;
}
