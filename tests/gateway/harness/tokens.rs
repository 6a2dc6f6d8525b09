//! Tokens and key sets. AWS-LC signs them with real keys, not the library under test.

use std::sync::OnceLock;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use codepipeline_gateway::proto::AcknowledgeThirdPartyJobRequest;
use serde_json::{Value, json};
use tonic::Request;

use super::request_with;

pub const ISSUER: &str = "https://issuer.test";
pub const AUDIENCE: &str = "codepipeline-gateway";
pub const SUBJECT: &str = "system:serviceaccount:builds:worker";

/// A key with its ID.
pub struct Signer {
    pub id: String,
    key: Key,
}

enum Key {
    Rsa(&'static RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// One of two RSA keys of 2048 bits. Their generation is slow, so all tests share them.
    pub fn rsa(id: &str, which: usize) -> Self {
        static KEYS: [OnceLock<RsaKeyPair>; 2] = [OnceLock::new(), OnceLock::new()];
        let key = KEYS[which].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self { id: id.into(), key: Key::Rsa(key) }
    }

    pub fn p256(id: &str) -> Self {
        Self::ec(id, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
    }

    pub fn p384(id: &str) -> Self {
        Self::ec(id, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")
    }

    fn ec(id: &str, algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Self {
        Self { id: id.into(), key: Key::Ec(EcdsaKeyPair::generate(algorithm).unwrap(), curve) }
    }

    pub fn ed25519(id: &str) -> Self {
        Self { id: id.into(), key: Key::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// The algorithm of this key's tokens.
    pub fn algorithm(&self) -> &'static str {
        match &self.key {
            Key::Rsa(_) => "RS256",
            Key::Ec(_, "P-256") => "ES256",
            Key::Ec(..) => "ES384",
            Key::Ed(_) => "EdDSA",
        }
    }

    /// The public key as an entry of a key set.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Rsa(key) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": base64(&n), "e": base64(&e)})
            }
            Key::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
            }
            Key::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key().as_ref())}),
        };
        jwk["kid"] = self.id.clone().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// The public key's bytes: the modulus or the point. A confused verifier uses them as an HMAC
    /// secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.key {
            Key::Rsa(key) => RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key()).n,
            Key::Ec(key, _) => key.public_key().as_ref().to_vec(),
            Key::Ed(key) => key.public_key().as_ref().to_vec(),
        }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"typ": "JWT", "alg": self.algorithm(), "kid": self.id}), claims)
    }

    /// A token with these bytes as its claims.
    pub fn token_of(&self, claims: &[u8]) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.id});
        signed_bytes(&header, claims, |message| self.sign_with(self.algorithm(), message))
    }

    /// A token with this header. The key signs with the header's `alg` if it can.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        signed_by(header, claims, |message| {
            self.sign_with(header["alg"].as_str().unwrap_or_default(), message)
        })
    }

    /// A signature by this algorithm if the key has it, else by the key's only algorithm.
    pub fn sign_with(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Key::Ec(key, _) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// A token with this header and a signature by any function.
pub fn signed_by(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    signed_bytes(header, claims.to_string().as_bytes(), sign)
}

fn signed_bytes(header: &Value, claims: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64(&signature))
}

/// An HMAC. It confuses a verifier that lets the token choose the algorithm.
pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

/// Valid claims with these changes. A null removes a claim.
pub fn claims(changed: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": now() + 600});
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Valid claims.
pub fn good() -> Value {
    claims(&json!({}))
}

pub fn set(keys: &[&Signer]) -> String {
    set_of(&keys.iter().map(|key| key.jwk()).collect::<Vec<_>>())
}

pub fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Base64 without padding, as in tokens.
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The usual request, with a token.
pub fn with_token(job: &str, token: &str) -> Request<AcknowledgeThirdPartyJobRequest> {
    with_authorization(job, &[&format!("Bearer {token}")])
}

/// The usual request, with these `authorization` headers.
pub fn with_authorization(job: &str, values: &[&str]) -> Request<AcknowledgeThirdPartyJobRequest> {
    let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
    request_with(job, &headers)
}
