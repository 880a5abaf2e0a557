use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header as JwtHeader};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{InternalSigner, KeySource, Organizations, SigningKey};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example/";

/// A key of each accepted kind; the private halves are for these tests only.
fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(include_bytes!("test_keys/rsa.pem")).unwrap(),
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("test_keys/p256.pem")).unwrap(),
        _ => EncodingKey::from_ed_pem(include_bytes!("test_keys/ed25519.pem")).unwrap(),
    }
}

fn jwk(id: &str, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(&key(algorithm), algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn all_keys() -> Value {
    json!({"keys": [
        jwk("rsa", Algorithm::RS256), jwk("ec", Algorithm::ES256), jwk("ed", Algorithm::EdDSA),
    ]})
}

fn issuer(keys: KeySource) -> Issuer {
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

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api", "exp": NOW + 600, "iat": NOW, "sub": "auth0|1", "org_id": "org_1",
    })
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn token(kid: &str, algorithm: Algorithm, claims: &Value) -> String {
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

async fn refusal(verifier: &OidcVerifier, token: &str) -> String {
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
    assert!(at("nbf", CLOCK_SKEW_SECONDS).await.is_ok());
    assert_eq!(
        at("nbf", CLOCK_SKEW_SECONDS + 1).await,
        Err("the token is not valid yet".to_owned())
    );

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

/// A key set on a loopback address, which counts how often it was asked.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(StatusCode, String)>>,
    server: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    async fn start(keys: &Value) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new((StatusCode::OK, keys.to_string())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (count, body) = (Arc::clone(&asked), Arc::clone(&answer));
        let handler = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = body.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { (status, [("location", "/moved")], body).into_response() }
        };
        let app = axum::Router::new().route("/keys", axum::routing::get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            asked,
            answer,
            server,
        }
    }

    fn answers(&self, status: StatusCode, body: impl ToString) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    fn verifier(&self, timing: Timing) -> OidcVerifier {
        let entry = json!([{
            "issuer": ISSUER, "audience": "api", "jwks": self.url, "organizations": ["org_1"],
        }]);
        OidcVerifier::with_timing(Issuer::parse_all(&entry.to_string()).unwrap(), timing).unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Asks whenever there is a reason to.
const EAGER: Timing = Timing {
    fresh_for: Duration::from_secs(600),
    at_most_every: Duration::ZERO,
    retry_every: Duration::ZERO,
    unknown_for: Duration::from_secs(600),
    timeout: Duration::from_secs(5),
};

/// A distinct token with each call, so that none is answered from the cache.
fn fresh(kid: &str, algorithm: Algorithm) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let claims = with(claims(), "jti", COUNT.fetch_add(1, Ordering::SeqCst));
    token(kid, algorithm, &claims)
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_one_is_new() {
    let server = KeyServer::start(&json!({"keys": [jwk("ed", Algorithm::EdDSA)]})).await;
    let verifier = server.verifier(EAGER);
    for _ in 0..3 {
        assert!(
            verifier
                .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
                .await
                .is_ok()
        );
    }
    assert_eq!(server.asked(), 1);
    server.answers(StatusCode::OK, all_keys());
    assert!(
        verifier
            .verify_at(&fresh("rsa", Algorithm::RS256), NOW)
            .await
            .is_ok()
    );
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_not_asked_for_again() {
    let server = KeyServer::start(&all_keys()).await;
    let verifier = server.verifier(EAGER);
    for _ in 0..3 {
        let message = refusal(&verifier, &fresh("unheard of", Algorithm::EdDSA)).await;
        assert_eq!(
            message,
            "the token is signed with a key that its issuer does not publish"
        );
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn unknown_keys_cannot_make_us_ask_faster_than_the_limit() {
    let server = KeyServer::start(&all_keys()).await;
    let verifier = server.verifier(Timing {
        at_most_every: Duration::from_secs(600),
        ..EAGER
    });
    let tokens: Vec<_> = (0..20)
        .map(|it| fresh(&format!("invented {it}"), Algorithm::EdDSA))
        .collect();
    let refusals = tokens.iter().map(|token| verifier.verify_at(token, NOW));
    for result in futures::future::join_all(refusals).await {
        assert_eq!(result.unwrap_err().reason_name(), "CREDENTIALS_INVALID");
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn known_keys_verify_while_the_issuer_is_away() {
    let server = KeyServer::start(&all_keys()).await;
    // Always too old, so that every call tries to renew.
    let verifier = server.verifier(Timing {
        fresh_for: Duration::ZERO,
        ..EAGER
    });
    assert!(
        verifier
            .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
            .await
            .is_ok()
    );
    server.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    server.server.abort();
    for _ in 0..3 {
        assert!(
            verifier
                .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
                .await
                .is_ok()
        );
    }
    // Of an unknown key nobody can say whether it is good.
    let error = verifier
        .verify_at(&fresh("new", Algorithm::EdDSA), NOW)
        .await
        .unwrap_err();
    assert_eq!(error.reason_name(), "UNAVAILABLE");
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_no_answer() {
    let server = KeyServer::start(&all_keys()).await;
    let verifier = server.verifier(EAGER);
    let answers = [
        (StatusCode::INTERNAL_SERVER_ERROR, all_keys().to_string()),
        (StatusCode::FOUND, String::new()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, json!({"keys": []}).to_string()),
        (
            StatusCode::OK,
            format!("{}{}", " ".repeat(300 * 1024), all_keys()),
        ),
    ];
    for (index, (status, body)) in answers.into_iter().enumerate() {
        server.answers(status, body);
        let error = verifier
            .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
            .await
            .unwrap_err();
        assert_eq!(error.reason_name(), "UNAVAILABLE", "{index}");
        assert_eq!(
            error.message(),
            "the key set of the token's issuer is not available now; retry"
        );
    }
    server.answers(StatusCode::OK, all_keys());
    assert!(
        verifier
            .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_when_a_key_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({"keys": [jwk("ed", Algorithm::EdDSA)]}).to_string()).unwrap();
    let verifier = OidcVerifier::with_timing(vec![issuer(KeySource::File(path.clone()))], EAGER).unwrap();
    verifier.load_keys().await;
    assert!(
        verifier
            .verify_at(&fresh("ed", Algorithm::EdDSA), NOW)
            .await
            .is_ok()
    );
    std::fs::write(&path, all_keys().to_string()).unwrap();
    assert!(
        verifier
            .verify_at(&fresh("ec", Algorithm::ES256), NOW)
            .await
            .is_ok()
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
