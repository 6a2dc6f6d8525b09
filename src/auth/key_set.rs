//! Parses a JSON Web Key Set (RFC 7517) and keeps the keys that can verify tokens.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm, KeyOperations,
    PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::util::sha256::{Sha256, sha256};

/// The accepted sizes of an RSA key, in bits. Smaller keys are too weak (RFC 7518, section 3.3).
/// aws-lc-rs verifies with no larger ones.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// The size of a coordinate on P-256, in bytes (RFC 7518, section 6.2.1.2).
const COORDINATE_BYTES: usize = 32;
/// The maximum number of keys with the same ID and algorithm. RFC 7517 (section 4.5) advises
/// against such keys but permits them. The limit bounds the number of verifications per token.
const MAX_SAME_ID: usize = 4;

/// The verification keys of one document.
pub(super) struct KeySet {
    by_id: HashMap<String, Vec<Key>>,
    /// Why each skipped key can't be used.
    skipped: Vec<&'static str>,
    /// The digest of the document.
    digest: Sha256,
}

/// A public key with the one algorithm that it verifies. The key's type decides the algorithm,
/// never a token.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    // Parsed one by one, because keys of an unknown type must be ignored (RFC 7517, section 5).
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Parses a key set.
    ///
    /// # Errors
    /// The document isn't a key set, or has no usable key. An empty key set would reject every
    /// caller, so it counts as a mistake of the issuer.
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        let parsed: Document = serde_json::from_slice(document)
            .map_err(|_| "the document isn't a JSON Web Key Set".to_owned())?;
        let mut set = Self { by_id: HashMap::new(), skipped: Vec::new(), digest: sha256(document) };
        for key in parsed.keys {
            if let Err(why) = set.add(key) {
                set.skipped.push(why);
            }
        }
        if set.by_id.is_empty() {
            return Err(format!("the key set has no usable key{}", set.skipped()));
        }
        Ok(set)
    }

    fn add(&mut self, key: serde_json::Value) -> Result<(), &'static str> {
        let jwk: Jwk = serde_json::from_value(key).map_err(|_| "not a key")?;
        let (id, key) = usable_key(jwk)?;
        let same = self.by_id.entry(id).or_default();
        if same.iter().filter(|other| other.algorithm == key.algorithm).count() == MAX_SAME_ID {
            return Err("too many keys with its id");
        }
        same.push(key);
        Ok(())
    }

    /// The keys that can verify a token with this key ID and algorithm.
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let same = self.by_id.get(id).map(Vec::as_slice).unwrap_or_default();
        same.iter().filter(move |key| key.algorithm == algorithm)
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.by_id.values().map(Vec::len).sum()
    }

    /// Why keys were skipped; none if no key was skipped.
    pub(super) fn skipped_reasons(&self) -> Option<String> {
        (!self.skipped.is_empty()).then(|| self.skipped.join(", "))
    }

    /// Describes the skipped keys, in parentheses. Empty if no key was skipped.
    pub(super) fn skipped(&self) -> String {
        let describe = |reasons| format!(" ({} skipped: {reasons})", self.skipped.len());
        self.skipped_reasons().map(describe).unwrap_or_default()
    }

    /// Whether both sets come from the same document.
    pub(super) fn is_same_document(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.len())
    }
}

/// Returns a key with its ID, or the reason why the key can't verify tokens.
fn usable_key(jwk: Jwk) -> Result<(String, Key), &'static str> {
    let Jwk { common, algorithm } = jwk;
    let id = common.key_id.filter(|id| !id.is_empty()).ok_or("no id")?;
    if common.public_key_use.is_some_and(|public_key_use| public_key_use != PublicKeyUse::Signature) {
        return Err("not for signatures");
    }
    if common.key_operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return Err("not for verifying");
    }
    let (key, algorithm) = match &algorithm {
        AlgorithmParameters::RSA(key) => (rsa(key)?, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) => (p256(key)?, KeyAlgorithm::ES256),
        _ => return Err("neither RSA nor EC"),
    };
    if common.key_algorithm.is_some_and(|named| named != algorithm) {
        return Err("for an algorithm that isn't accepted");
    }
    Ok((id, key))
}

fn rsa(key: &RSAKeyParameters) -> Result<Key, &'static str> {
    let (modulus, exponent) = (number(&key.n)?, number(&key.e)?);
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("RSA of a size that isn't accepted");
    }
    let decoding = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    Ok(Key { algorithm: Algorithm::RS256, decoding })
}

fn p256(key: &EllipticCurveKeyParameters) -> Result<Key, &'static str> {
    if key.curve != EllipticCurve::P256 {
        return Err("EC, and not on P-256");
    }
    for coordinate in [&key.x, &key.y] {
        if bytes(coordinate)?.len() != COORDINATE_BYTES {
            return Err("not a point on P-256");
        }
    }
    let decoding = DecodingKey::from_ec_components(&key.x, &key.y).map_err(|_| "not a key")?;
    Ok(Key { algorithm: Algorithm::ES256, decoding })
}

/// Decodes an unsigned integer and removes its leading zeros.
fn number(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = bytes(text)?;
    Ok(bytes.iter().skip_while(|byte| **byte == 0).copied().collect())
}

fn bytes(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "not a key")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Parses a set with this one key.
    fn set(key: &Value) -> Result<KeySet, String> {
        KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes())
    }

    fn rsa(bits: usize) -> Value {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = if bits.is_multiple_of(8) { 0x80 } else { 1 << (bits % 8 - 1) };
        json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"})
    }

    fn ec(curve: &str, x: usize, y: usize) -> Value {
        let coordinate = |length| URL_SAFE_NO_PAD.encode(vec![7; length]);
        json!({"kty": "EC", "kid": "k", "crv": curve, "x": coordinate(x), "y": coordinate(y)})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn usable_keys_are_kept_and_others_are_skipped() {
        let p256 = || ec("P-256", 32, 32);
        for key in [
            rsa(2048),
            rsa(2049),
            rsa(4096),
            rsa(8192),
            p256(),
            with(p256(), "use", "sig".into()),
            with(p256(), "alg", "ES256".into()),
            with(rsa(2048), "alg", "RS256".into()),
            with(p256(), "key_ops", json!(["verify"])),
            with(p256(), "x5c", json!(["whatever"])),
        ] {
            assert_eq!(set(&key).map(|set| set.len()), Ok(1), "{key}");
        }
        let (size, shape) = ("RSA of a size that isn't accepted", "not a point on P-256");
        let padded = format!("AAAA{}", rsa(2040)["n"].as_str().unwrap_or_default());
        for (key, why) in [
            (rsa(1024), size),
            (rsa(2047), size),
            (rsa(8193), size),
            (with(rsa(2048), "n", padded.into()), size),
            (with(rsa(2048), "n", "".into()), size),
            (with(rsa(2048), "n", "ü".into()), "not a key"),
            (ec("P-384", 48, 48), "EC, and not on P-256"),
            (ec("P-521", 66, 66), "EC, and not on P-256"),
            (ec("P-256", 31, 33), shape),
            (ec("P-256", 64, 0), shape),
            (ec("secp256k1", 32, 32), "neither RSA nor EC"),
            (json!({"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"}), "neither RSA nor EC"),
            (json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}), "neither RSA nor EC"),
            (with(p256(), "use", "enc".into()), "not for signatures"),
            (with(p256(), "use", "".into()), "not for signatures"),
            (with(p256(), "key_ops", json!(["sign"])), "not for verifying"),
            (with(p256(), "alg", "RS256".into()), "for an algorithm that isn't accepted"),
            (with(rsa(2048), "alg", "ES256".into()), "for an algorithm that isn't accepted"),
            (with(rsa(2048), "alg", "PS256".into()), "for an algorithm that isn't accepted"),
            (with(rsa(2048), "alg", "RS512".into()), "for an algorithm that isn't accepted"),
            (with(rsa(2048), "alg", "HS256".into()), "for an algorithm that isn't accepted"),
            (with(p256(), "kid", Value::Null), "no id"),
            (with(p256(), "kid", "".into()), "no id"),
        ] {
            let parsed = set(&key).map(|set| set.len());
            assert_eq!(parsed, Err(format!("the key set has no usable key (1 skipped: {why})")), "{key}");
        }
    }

    #[test]
    fn an_unusable_key_does_not_affect_the_other_keys() {
        let keys = [json!(7), rsa(2048), json!({"kty": "new"}), with(ec("P-256", 32, 32), "kid", "e".into())];
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        assert_eq!((set.len(), set.skipped.len()), (2, 2));
        let found = |id, algorithm| set.find(id, algorithm).count();
        assert_eq!((found("k", Algorithm::RS256), found("e", Algorithm::ES256)), (1, 1));
        assert_eq!((found("k", Algorithm::ES256), found("e", Algorithm::RS256)), (0, 0));
        assert_eq!(found("k", Algorithm::HS256), 0);
    }

    #[test]
    fn one_id_has_at_most_four_keys_per_algorithm() {
        let keys = [vec![rsa(2048); 5], vec![ec("P-256", 32, 32); 5]].concat();
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        assert_eq!((set.len(), set.skipped.len()), (8, 2));
    }
}
