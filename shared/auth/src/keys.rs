use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// What a token may be signed with. `none` and the shared-secret algorithms are not in this list,
/// so that no public key can ever be taken for a secret.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The bytes of an RSA modulus that is neither too weak to trust nor too long to verify cheaply.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// A public key and the one algorithm it verifies.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
}

/// The public keys of an issuer.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Arc<Key>>);

impl Keys {
    /// Reads a JSON Web Key Set. Keys that cannot verify what we accept are passed over: issuers
    /// publish encryption keys and new kinds of key beside those that sign.
    pub(crate) fn parse(set: &Value) -> Result<Self, String> {
        let Some(keys) = set.get("keys").and_then(Value::as_array) else {
            return Err("is no JSON Web Key Set: it has no array \"keys\"".to_owned());
        };
        Ok(Self(keys.iter().filter_map(Key::parse).map(Arc::new).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a token's header names. A token may name none where only one key fits.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
            None => {
                let only = fitting.next()?;
                fitting.next().is_none().then(|| Arc::clone(only))
            }
        }
    }
}

impl Key {
    fn parse(key: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
        if jwk
            .common
            .public_key_use
            .as_ref()
            .is_some_and(|it| *it != PublicKeyUse::Signature)
        {
            return None;
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let modulus = bytes(&rsa.n)?;
                let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
                (RSA_MODULUS_BYTES.contains(&significant) && !bytes(&rsa.e)?.is_empty())
                    .then_some(Algorithm::RS256)
            }
            AlgorithmParameters::EllipticCurve(ec) => {
                let on_p256 = ec.curve == EllipticCurve::P256;
                (on_p256 && bytes(&ec.x)?.len() == 32 && bytes(&ec.y)?.len() == 32)
                    .then_some(Algorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(pair) => (pair.curve == EllipticCurve::Ed25519
                && bytes(&pair.x)?.len() == 32)
                .then_some(Algorithm::EdDSA),
            _ => None,
        }?;
        // A key published for another algorithm of its family (PS256, RS512) is not for this one.
        if jwk
            .common
            .key_algorithm
            .is_some_and(|it| it.to_string() != format!("{algorithm:?}"))
        {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self {
            id: jwk.common.key_id,
            algorithm,
            decoding,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn octets(count: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![7_u8; count])
    }

    #[test]
    fn only_keys_that_verify_what_we_accept_are_kept() {
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": octets(32), "kid": "ed"});
        let with = |key: &Value, name: &str, value: Value| {
            let mut key = key.clone();
            key[name] = value;
            key
        };
        let set = json!({"keys": [
            with(&ed, "use", json!("sig")),
            with(&with(&ed, "use", json!("enc")), "kid", json!("encryption")),
            with(&with(&ed, "key_ops", json!(["sign"])), "kid", json!("signs")),
            with(&with(&ed, "x", json!(octets(31))), "kid", json!("short")),
            with(&with(&ed, "alg", json!("ES256")), "kid", json!("other algorithm")),
            {"kty": "oct", "k": octets(32), "kid": "secret", "alg": "HS256"},
            {"kty": "RSA", "n": octets(128), "e": "AQAB", "kid": "weak"},
            {"kty": "RSA", "n": octets(256), "e": "AQAB", "kid": "rsa", "alg": "RS256"},
            {"kty": "RSA", "n": octets(256), "e": "AQAB", "kid": "pss", "alg": "PS256"},
            {"kty": "EC", "crv": "P-384", "x": octets(48), "y": octets(48), "kid": "p384"},
            {"kty": "EC", "crv": "P-256", "x": octets(32), "y": octets(32), "kid": "p256"},
            {"kty": "AKP", "kid": "of the future"},
            "no key",
        ]});
        let keys = Keys::parse(&set).unwrap();
        let ids: Vec<_> = keys.0.iter().map(|key| key.id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["ed", "rsa", "p256"]);
        assert!(keys.find(Some("ed"), Algorithm::EdDSA).is_some());
        assert!(
            keys.find(Some("ed"), Algorithm::RS256).is_none(),
            "a key verifies its own algorithm only"
        );
        assert!(keys.find(None, Algorithm::RS256).is_some());
    }

    #[test]
    fn a_token_without_key_id_fits_one_key_or_none() {
        let key = |id: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": octets(32), "kid": id});
        let keys = Keys::parse(&json!({"keys": [key("a"), key("b")]})).unwrap();
        assert!(keys.find(None, Algorithm::EdDSA).is_none());
        assert!(Keys::parse(&json!({"keys": {}})).is_err());
        assert!(Keys::parse(&json!([])).is_err());
    }
}
