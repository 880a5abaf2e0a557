use std::collections::BTreeSet;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header as JwtHeader};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{InternalSigner, KeySource, Organizations, SigningKey};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://id.example/";

/// A key of each accepted kind; the private halves are for these tests only.
fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(include_bytes!("test_keys/rsa.pem")).unwrap(),
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("test_keys/p256.pem")).unwrap(),
        _ => EncodingKey::from_ed_pem(include_bytes!("test_keys/ed25519.pem")).unwrap(),
    }
}

pub(super) fn jwk(id: &str, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(&key(algorithm), algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

pub(super) fn all_keys() -> Value {
    json!({"keys": [
        jwk("rsa", Algorithm::RS256), jwk("ec", Algorithm::ES256), jwk("ed", Algorithm::EdDSA),
    ]})
}

pub(super) fn issuer(keys: KeySource) -> Issuer {
    Issuer {
        issuer: ISSUER.to_owned(),
        audience: "api".to_owned(),
        keys,
        organizations: Organizations::Only(BTreeSet::from(["org_1".to_owned()])),
        scopes: Scopes::from("backfill"),
    }
}

fn verifier() -> OidcVerifier {
    OidcVerifier::new(vec![issuer(KeySource::Inline(all_keys()))]).unwrap()
}

pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api", "exp": NOW + 600, "iat": NOW, "sub": "auth0|1", "org_id": "org_1",
    })
}

pub(super) fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

pub(super) fn token(kid: &str, algorithm: Algorithm, claims: &Value) -> String {
    let header = JwtHeader {
        kid: Some(kid.to_owned()),
        ..JwtHeader::new(algorithm)
    };
    jsonwebtoken::encode(&header, claims, &key(algorithm)).unwrap()
}

/// A token of which the header is written out and the signature given.
fn raw(header: &Value, signature: &str) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", part(header), part(&claims()))
}

pub(super) async fn refusal(verifier: &OidcVerifier, token: &str) -> String {
    let error = verifier.verify_at(token, NOW).await.unwrap_err();
    assert_eq!(error.reason_name(), "CREDENTIALS_INVALID", "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn the_three_algorithms_verify() {
    for (kid, algorithm) in [
        ("rsa", Algorithm::RS256),
        ("ec", Algorithm::ES256),
        ("ed", Algorithm::EdDSA),
    ] {
        let caller = verifier()
            .verify_at(&token(kid, algorithm, &claims()), NOW)
            .await
            .unwrap();
        assert_eq!(
            caller,
            ExternalCaller {
                issuer: ISSUER.to_owned(),
                organization: "org_1".to_owned(),
                subject: "auth0|1".to_owned(),
                scopes: Scopes::NONE,
                expires_at: NOW + 600 + CLOCK_SKEW_SECONDS,
            }
        );
    }
}

#[tokio::test]
async fn no_other_algorithm_is_looked_at() {
    let verifier = verifier();
    let not_accepted = "the token's algorithm is not accepted; RS256, ES256 and EdDSA are";
    for alg in ["none", "None", "HS256", "RS512", "PS256", "ES384", "rs256", ""] {
        let token = raw(&json!({"alg": alg, "kid": "rsa", "typ": "JWT"}), "");
        assert_eq!(refusal(&verifier, &token).await, not_accepted, "{alg}");
    }
    // The public key, taken for the secret of an HMAC.
    let rsa = jwk("rsa", Algorithm::RS256);
    let header = JwtHeader {
        kid: Some("rsa".to_owned()),
        ..JwtHeader::new(Algorithm::HS256)
    };
    let secret = EncodingKey::from_secret(rsa["n"].as_str().unwrap().as_bytes());
    let confused = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(refusal(&verifier, &confused).await, not_accepted);
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_only() {
    let verifier = verifier();
    let wrong = token("rsa", Algorithm::EdDSA, &claims());
    let expected = "the token is signed with a key that its issuer does not publish";
    assert_eq!(refusal(&verifier, &wrong).await, expected);
    // A token cannot bring its own key.
    let mut header = json!({"alg": "EdDSA", "kid": "mine", "typ": "JWT"});
    header["jwk"] = jwk("mine", Algorithm::EdDSA);
    header["jku"] = json!("https://evil.example/keys");
    assert_eq!(refusal(&verifier, &raw(&header, "AAAA")).await, expected);
}

#[tokio::test]
async fn a_signature_of_another_token_does_not_fit() {
    let good = token("ed", Algorithm::EdDSA, &claims());
    let other = token("ed", Algorithm::EdDSA, &with(claims(), "sub", "auth0|2"));
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let verifier = verifier();
    for signature in [signature, "", "AAAA", "!"] {
        let spliced = format!("{message}.{signature}");
        assert_eq!(
            refusal(&verifier, &spliced).await,
            "the token's signature does not verify"
        );
    }
}

#[tokio::test]
async fn claims_count_as_far_as_the_issuer_may_claim_them() {
    let verifier = verifier();
    let cases = [
        (
            with(claims(), "iss", "https://other.example/"),
            "the token's issuer is not trusted here",
        ),
        (
            with(claims(), "iss", "https://id.example"),
            "the token's issuer is not trusted here",
        ),
        (
            with(claims(), "aud", "other"),
            "the token is for another audience",
        ),
        (
            with(claims(), "aud", json!([])),
            "the token is for another audience",
        ),
        (
            with(claims(), "org_id", "org_2"),
            "the token's issuer may not speak for its organization",
        ),
        (
            with(claims(), "sub", "auth0|\u{0}1"),
            "the token names no user (claim sub)",
        ),
        (
            with(claims(), "org_id", ""),
            "the token names no organization (claim org_id)",
        ),
        (
            with(claims(), "org_id", Value::Null),
            "the token names no organization (claim org_id)",
        ),
        (
            with(claims(), "sub", Value::Null),
            "the token names no user (claim sub)",
        ),
        (
            with(claims(), "sub", "x".repeat(300)),
            "the token names no user (claim sub)",
        ),
        (
            with(claims(), "exp", Value::Null),
            "the token's claims are not those of an access token (iss, aud, exp)",
        ),
        (
            with(claims(), "exp", "soon"),
            "the token's claims are not those of an access token (iss, aud, exp)",
        ),
    ];
    for (claims, expected) in cases {
        let token = token("ed", Algorithm::EdDSA, &claims);
        assert_eq!(refusal(&verifier, &token).await, expected, "{claims}");
    }
    let many = with(claims(), "aud", json!(["userinfo", "api"]));
    let many = with(many, "scope", "openid platform backfill");
    let caller = verifier
        .verify_at(&token("ed", Algorithm::EdDSA, &many), NOW)
        .await
        .unwrap();
    assert_eq!(
        caller.scopes,
        Scopes::from("backfill"),
        "platform is not this issuer's to give"
    );
}

#[tokio::test]
async fn what_is_wrong_can_be_told_apart() {
    let verifier = verifier();
    let signed = |claims: Value| token("ed", Algorithm::EdDSA, &claims);
    let header = |header: Value| raw(&header, "AAAA");
    let good = signed(claims());
    let cases = [
        ("a".to_owned(), TokenFault::Parts(1)),
        ("a.b".to_owned(), TokenFault::Parts(2)),
        (format!("{good}.x"), TokenFault::Parts(4)),
        ("a.b.c".to_owned(), TokenFault::Signature),
        (good.replace('.', ".A"), TokenFault::Signature),
        (header(json!({"alg": "none"})), TokenFault::Algorithm),
        (header(json!({"alg": "EdDSA", "kid": "other"})), TokenFault::Key),
        (
            header(json!({"alg": "EdDSA", "kid": "ed"})),
            TokenFault::Signature,
        ),
        (
            signed(with(claims(), "iss", "https://other.example/")),
            TokenFault::Key,
        ),
        (signed(with(claims(), "exp", NOW - 60)), TokenFault::Expired),
        (signed(with(claims(), "nbf", NOW + 60)), TokenFault::NotYetValid),
        (
            signed(with(claims(), "iat", NOW + 60)),
            TokenFault::IssuedInFuture,
        ),
        (signed(with(claims(), "aud", "other")), TokenFault::Audience),
        (signed(with(claims(), "aud", Value::Null)), TokenFault::Audience),
        (signed(with(claims(), "aud", 1)), TokenFault::AudienceType),
        (
            signed(with(claims(), "aud", json!(["api", 1]))),
            TokenFault::AudienceType,
        ),
        (
            signed(with(claims(), "exp", "soon")),
            TokenFault::NotANumber("exp"),
        ),
        (signed(with(claims(), "nbf", true)), TokenFault::NotANumber("nbf")),
        (
            signed(with(claims(), "iat", json!({}))),
            TokenFault::NotANumber("iat"),
        ),
        (signed(json!([1])), TokenFault::Claims),
        (signed(json!("text")), TokenFault::Claims),
    ];
    for (token, expected) in cases {
        let error = verifier.verify_at(&token, NOW).await.unwrap_err();
        assert_eq!(TokenFault::of(&error), Some(expected), "{error}: {token}");
        assert_eq!(error.reason_name(), "CREDENTIALS_INVALID");
    }
    let nobody = signed(with(claims(), "sub", Value::Null));
    let error = verifier.verify_at(&nobody, NOW).await.unwrap_err();
    assert_eq!(TokenFault::of(&error), None);
}

#[tokio::test]
async fn clocks_may_differ_by_the_skew_and_no_more() {
    let at = async |name: &str, seconds: i64| {
        let claims = with(claims(), name, NOW + seconds);
        verifier()
            .verify_at(&token("ed", Algorithm::EdDSA, &claims), NOW)
            .await
            .map_err(|it| it.to_string())
    };
    assert!(at("exp", 1 - CLOCK_SKEW_SECONDS).await.is_ok());
    assert_eq!(
        at("exp", -CLOCK_SKEW_SECONDS).await,
        Err("the token has expired".to_owned())
    );
    for begin in ["nbf", "iat"] {
        assert!(at(begin, CLOCK_SKEW_SECONDS).await.is_ok(), "{begin}");
        for late in [CLOCK_SKEW_SECONDS + 1, 60] {
            assert_eq!(
                at(begin, late).await,
                Err("the token is not valid yet".to_owned()),
                "{begin}"
            );
        }
    }

    // What was verified once ends when it ends.
    let (verifier, token) = (verifier(), token("ed", Algorithm::EdDSA, &claims()));
    assert!(verifier.verify_at(&token, NOW).await.is_ok());
    assert!(
        verifier
            .verify_at(&token, NOW + 600 + CLOCK_SKEW_SECONDS)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn other_kinds_of_token_are_not_bearer_tokens() {
    let verifier = verifier();
    let internal = InternalSigner::new("gateway", SigningKey::generate().unwrap()).token("api", None, None);
    assert_eq!(
        refusal(&verifier, &internal).await,
        "the token is not a bearer token of a configured issuer"
    );
    let typ = raw(&json!({"alg": "EdDSA", "kid": "ed", "typ": "logout+jwt"}), "AAAA");
    assert_eq!(
        refusal(&verifier, &typ).await,
        "the token is of a type that is not accepted (typ)"
    );
    let crit = raw(&json!({"alg": "EdDSA", "kid": "ed", "crit": ["b64"]}), "AAAA");
    assert!(refusal(&verifier, &crit).await.contains("(crit)"));
    assert_eq!(
        refusal(&verifier, &"a".repeat(20_000)).await,
        "the token is too long"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_verifier_panic(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let verifier = verifier();
        prop_assert!(runtime.block_on(verifier.verify(&text)).is_err());
        prop_assert!(runtime.block_on(verifier.verify(&parts)).is_err());
    }

    #[test]
    fn no_header_and_no_signed_claims_make_it_panic(
        header in r#"\{("(alg|kid|typ|crit)":("EdDSA"|"ed"|"JWT"|1|null|\[\]),?){0,4}\}"#,
        exp in prop_oneof![any::<f64>().prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(json!([]))],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let verifier = verifier();
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let token = format!("{}.{}.AAAA", part(&header), part(&claims().to_string()));
        prop_assert!(runtime.block_on(verifier.verify_at(&token, NOW)).is_err());
        let signed = super::tests::token("ed", Algorithm::EdDSA, &with(claims(), "exp", exp));
        let _ = runtime.block_on(verifier.verify_at(&signed, NOW));
    }
}
