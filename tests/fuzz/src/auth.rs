//! Tokens, and the configuration of those who make them.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_auth::{
    CLOCK_SKEW_SECONDS, ExternalCaller, InternalCaller, InternalVerifier, Issuer, KeySource, OidcVerifier,
    Organizations, SigningKey, TOKEN_LIFETIME_SECONDS, TrustedService,
};
use datacovey_error::{Error, Violation};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example/";
const AUDIENCE: &str = "api";
const ORGANIZATION: &str = "org_1";
/// As base64url writes it.
const INTERNAL_HEADER: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6ImRhdGFjb3ZleS1pbnRlcm5hbCtqd3QifQ";

static KEY: LazyLock<ed25519_dalek::SigningKey> =
    LazyLock::new(|| ed25519_dalek::SigningKey::from_bytes(&[7; 32]));

static OIDC: LazyLock<OidcVerifier> = LazyLock::new(|| {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": public_key()});
    let issuer = Issuer {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys: KeySource::Inline(json!({"keys": [key]})),
        organizations: Organizations::Only(BTreeSet::from([ORGANIZATION.to_owned()])),
        scopes: "backfill".into(),
    };
    OidcVerifier::new(vec![issuer]).expect("an issuer")
});

static INTERNAL: LazyLock<InternalVerifier> = LazyLock::new(|| {
    let trusted = TrustedService::new("gateway", &public_key(), None).expect("a key");
    InternalVerifier::new("catalog", vec![trusted])
});

fn public_key() -> String {
    URL_SAFE_NO_PAD.encode(KEY.verifying_key().as_bytes())
}

fn signed(message: String) -> String {
    let signature = KEY.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("a time")
}

fn verify_oidc(token: &str) -> Result<ExternalCaller, Error> {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    RUNTIME.with(|it| it.block_on(OIDC.verify(token)))
}

fn assert_refused<T: std::fmt::Debug>(verified: Result<T, Error>) {
    let error = verified.expect_err("nobody made such a token");
    assert_eq!(error.reason_name(), "CREDENTIALS_INVALID");
    assert!(error.message().len() < 200, "{error}");
}

/// A text that its issuer did not sign is no bearer token. One that it did sign is one as far as its
/// header and its claims say so.
///
/// A line for the header and one for the claims; the text as a whole is a token, too.
pub fn oidc_token(text: &str) {
    assert_refused(verify_oidc(text));
    let (header, claims) = text.split_once('\n').unwrap_or((text, ""));
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let message = format!("{}.{}", part(header), part(claims));
    for signature in ["", ".", ".AAAA", &format!(".{}", "A".repeat(86))] {
        assert_refused(verify_oidc(&format!("{message}{signature}")));
    }
    let before = now();
    match verify_oidc(&signed(message)) {
        Err(error) => assert_refused::<()>(Err(error)),
        Ok(caller) => {
            let header: Value = serde_json::from_str(header).expect("a header that was read");
            assert_eq!(header["alg"], "EdDSA");
            // Parsers differ in which of two members of one name counts; the verifier refuses both.
            let claims: Value = serde_json::from_str(claims).expect("claims that were read");
            assert_eq!(claims["iss"], ISSUER);
            let audience = &claims["aud"];
            let many = audience.as_array();
            assert!(*audience == AUDIENCE || many.is_some_and(|it| it.contains(&json!(AUDIENCE))));
            assert_eq!(claims["sub"], caller.subject.as_str());
            assert_eq!(claims["org_id"], ORGANIZATION);
            assert_eq!(caller.organization, ORGANIZATION);
            assert!(!caller.subject.is_empty() && caller.subject.len() <= 256);
            assert!(!caller.scopes.platform, "not the issuer's to give");
            let claim = |name: &str| claims[name].as_f64();
            assert!(claim("exp").expect("a time") + CLOCK_SKEW_SECONDS as f64 > before as f64);
            for begin in ["nbf", "iat"] {
                assert!(claim(begin).is_none_or(|it| it - (CLOCK_SKEW_SECONDS as f64) <= now() as f64));
            }
        }
    }
}

/// A text that no trusted service signed is no internal token. One that a service did sign says what its
/// claims say, for as long as agreed on.
///
/// The text is the claims, and a token, and what follows the header of one; `NOW` in it is the time, without
/// which none would be good.
pub fn internal_token(text: &str) {
    let text = &text.replace("NOW", &now().to_string());
    assert_refused(INTERNAL.verify(text));
    assert_refused(INTERNAL.verify(&format!("{INTERNAL_HEADER}.{text}")));
    let payload = URL_SAFE_NO_PAD.encode(text);
    assert_refused(INTERNAL.verify(&format!("{INTERNAL_HEADER}.{payload}.{}", "A".repeat(86))));
    let before = now();
    match INTERNAL.verify(&signed(format!("{INTERNAL_HEADER}.{payload}"))) {
        Err(error) => assert_refused::<InternalCaller>(Err(error)),
        Ok(caller) => {
            let claims: Value = serde_json::from_str(text).expect("claims that were read");
            assert_eq!(
                (&claims["iss"], &claims["aud"]),
                (&json!("gateway"), &json!("catalog"))
            );
            assert_eq!(caller.service, "gateway");
            let claim = |name: &str| claims[name].as_i64().expect("a time");
            assert!(claim("exp").saturating_add(CLOCK_SKEW_SECONDS) > before);
            assert!(claim("iat").saturating_add(TOKEN_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS) > before);
            assert!(claim("iat") <= now() + CLOCK_SKEW_SECONDS);
            let given = |name: &str| claims.get(name).is_some_and(|it| !it.is_null());
            assert_eq!(caller.principal.is_some(), given("tenant"));
            for name in ["user", "role"] {
                assert_eq!(given(name), given("tenant"));
            }
            assert!(caller.may_call("datacovey.catalog.v1"));
            assert!(!caller.may_call("datacovey.internal.catalog.v1"));
        }
    }
}

/// Whatever configuration says is issuers, services or a key, or is refused with the place of the fault;
/// what is taken makes verifiers, and none of them takes a token of somebody else.
pub fn callers(text: &str) {
    let named = |violations: Vec<Violation>, field: &str| {
        assert!(!violations.is_empty());
        for violation in violations {
            assert!(violation.field.starts_with(field), "{violation:?}");
            assert!(!violation.description.is_empty());
        }
    };
    let token = signed(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k"}"#),
        URL_SAFE_NO_PAD.encode(format!(
            r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":99999999999,"sub":"s","org_id":"{ORGANIZATION}"}}"#
        ))
    ));
    match Issuer::parse_all(text) {
        Err(violations) => named(violations, "issuers"),
        Ok(issuers) => {
            let inline = issuers
                .into_iter()
                .filter(|issuer| matches!(issuer.keys, KeySource::Inline(_)));
            let verifier = OidcVerifier::new(inline.collect()).expect("a key set that was checked");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            let verified = runtime.block_on(verifier.verify(&token));
            assert!(verified.is_err() || text.contains(&public_key()));
        }
    }
    match TrustedService::parse_all(text) {
        Err(violations) => named(violations, "trusted_services"),
        Ok(services) => {
            let verifier = InternalVerifier::new("catalog", services);
            assert_refused(verifier.verify(&format!("{INTERNAL_HEADER}.{token}")));
        }
    }
    if let Ok(key) = SigningKey::from_pem(text) {
        let trusted = TrustedService::new("gateway", &key.public_key(), None);
        assert!(trusted.is_ok(), "a key whose public half is refused");
    }
}
