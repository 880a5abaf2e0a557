//! Who calls, and what is wrong with a token (section 19).

use std::time::{SystemTime, UNIX_EPOCH};

use datacovey_auth::{DevelopmentIssuer, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{anonymously, finds};
use crate::suite::Suite;

/// An issuer that says whatever a test wants.
struct Issuer {
    key: EncodingKey,
    id: String,
    name: String,
}

impl Issuer {
    async fn suite() -> (Suite, Self) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let key = SigningKey::from_file_or_new(&file).unwrap();
        let pem = std::fs::read(&file).unwrap();
        let id = key.fingerprint();
        let issuer = DevelopmentIssuer::with_key(key);
        let this = Self {
            key: EncodingKey::from_ed_pem(&pem).unwrap(),
            id,
            name: issuer.name(),
        };
        let trusted = issuer.issuer();
        let suite = Suite::configured(&[], |it| it.server.callers.issuers.push(trusted)).await;
        finds(&suite.catalog, None, &[]);
        (suite, this)
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.name, "aud": "datacovey", "exp": now() + 60, "sub": "known user", "org_id": "org",
        })
    }

    fn with(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims();
        claims[name] = value.into();
        self.sign(&claims)
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said() {
    let (suite, issuer) = Issuer::suite().await;
    let good = issuer.sign(&issuer.claims());
    let accepted = anonymously(
        &suite,
        "GET /project",
        &[("authorization", &format!("bearer {good}"))],
        "",
    )
    .await;
    assert_eq!(accepted.status.as_u16(), 200, "{accepted:?}");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = issuer.with("sub", "other");
    let other = other.rsplit_once('.').unwrap().1;
    assert_ne!(signature, other);
    let none = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
    for (token, code, message) in [
        (
            String::new(),
            "PGRST301",
            "Empty JWT is sent in Authorization header",
        ),
        ("x".to_owned(), "PGRST301", "Expected 3 parts in JWT; got 1"),
        (head.to_owned(), "PGRST301", "Expected 3 parts in JWT; got 2"),
        (
            "a.b.c".to_owned(),
            "PGRST301",
            "JWT cryptographic operation failed",
        ),
        (
            format!("{head}.{other}"),
            "PGRST301",
            "JWT cryptographic operation failed",
        ),
        (none, "PGRST301", "Wrong or unsupported encoding algorithm"),
        (
            issuer.with("iss", "https://other.example"),
            "PGRST301",
            "No suitable key or wrong key type",
        ),
        (issuer.with("exp", now() - 31), "PGRST303", "JWT expired"),
        (issuer.with("nbf", now() + 60), "PGRST303", "JWT not yet valid"),
        (issuer.with("iat", now() + 60), "PGRST303", "JWT issued at future"),
        (issuer.with("aud", "other"), "PGRST303", "JWT not in audience"),
        (
            issuer.with("exp", "soon"),
            "PGRST303",
            "The JWT 'exp' claim must be a number",
        ),
        (
            issuer.with("nbf", "soon"),
            "PGRST303",
            "The JWT 'nbf' claim must be a number",
        ),
        (
            issuer.with("aud", 5),
            "PGRST303",
            "The JWT 'aud' claim must be a string or an array of strings",
        ),
        (issuer.sign(&json!("text")), "PGRST303", "Parsing claims failed"),
        // What the original knows nothing of.
        (
            issuer.with("sub", "stranger"),
            "PGRST303",
            "nobody is known by that name",
        ),
        (
            issuer.with("org_id", ""),
            "PGRST303",
            "the token names no organization (claim org_id)",
        ),
    ] {
        let credentials = format!("Bearer {token}");
        let answer = anonymously(&suite, "GET /project", &[("authorization", &credentials)], "").await;
        assert_eq!(answer.refused(), (401, code.to_owned()), "{message}");
        assert_eq!(answer.json()["message"], message);
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    }
}

#[tokio::test]
async fn who_has_no_token_is_nobody_whatever_is_asked_for() {
    let suite = Suite::start().await;
    let asked = finds(&suite.catalog, None, &[]);
    for line in [
        "GET /",
        "GET /project",
        "OPTIONS /project",
        "GET /nope",
        "GET /a/b",
        "POST /rpc/x",
        "TRACE /",
    ] {
        for headers in [&[][..], &[("authorization", "Basic dXNlcjpwYXNz")]] {
            let answer = anonymously(&suite, line, headers, "").await;
            assert_eq!(answer.refused(), (401, "PGRST302".to_owned()), "{line}");
            assert_eq!(answer.json()["message"], "Anonymous access is disabled");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let head = anonymously(&suite, "HEAD /project", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (401, 0));
    assert_eq!(head.header("proxy-status"), Some("PostgREST; error=PGRST302"));
    assert!(asked.lock().unwrap().is_empty());
}

/// What a token is refused for in gRPC has the words that it always had.
#[tokio::test]
async fn grpc_is_answered_as_ever() {
    let (suite, issuer) = Issuer::suite().await;
    for (credentials, message) in [
        (
            "Basic x".to_owned(),
            "the authorization header is not \"Bearer <token>\"",
        ),
        (
            "Bearer".to_owned(),
            "the authorization header is not \"Bearer <token>\"",
        ),
        (
            "Bearer a.b".to_owned(),
            "the token is not a well-formed JSON Web Token",
        ),
        (
            format!("Bearer {}", issuer.with("exp", 1)),
            "the token has expired",
        ),
    ] {
        let call = suite
            .anonymous(crate::suite::UNARY)
            .header("authorization", credentials);
        let reply = suite.call(call).await;
        reply.expect(tonic::Code::Unauthenticated, "CREDENTIALS_INVALID");
        assert_eq!(reply.status.message(), message);
    }
}
