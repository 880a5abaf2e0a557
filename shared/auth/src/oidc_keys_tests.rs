//! How often an issuer is asked for its keys, and what is answered while it is away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::tests::{ISSUER, NOW, all_keys, claims, issuer, jwk, refusal, token, with};
use super::*;
use crate::KeySource;

/// A key set on a loopback address, which counts how often it was asked.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(StatusCode, String)>>,
    /// Nothing is answered while somebody else holds it.
    held: Arc<tokio::sync::Mutex<()>>,
    server: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    async fn start(keys: &Value) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(Mutex::new((StatusCode::OK, keys.to_string())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let held = Arc::new(tokio::sync::Mutex::new(()));
        let (count, body, hold) = (Arc::clone(&asked), Arc::clone(&answer), Arc::clone(&held));
        let handler = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = body.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move {
                let _held = hold.lock().await;
                (status, [("location", "/moved")], body).into_response()
            }
        };
        let app = axum::Router::new().route("/keys", axum::routing::get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            asked,
            answer,
            held,
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
async fn an_issuer_that_is_away_at_first_is_found_when_it_comes() {
    let server = KeyServer::start(&all_keys()).await;
    let verifier = server.verifier(EAGER);
    server.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    verifier.load_keys().await;
    let token = fresh("ed", Algorithm::EdDSA);
    let error = verifier.verify_at(&token, NOW).await.unwrap_err();
    assert_eq!(error.reason_name(), "UNAVAILABLE");
    server.answers(StatusCode::OK, all_keys());
    assert!(verifier.verify_at(&token, NOW).await.is_ok());
    // A key that was not to be had is none that does not exist.
    server.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    let unheard = fresh("unheard of", Algorithm::EdDSA);
    let error = verifier.verify_at(&unheard, NOW).await.unwrap_err();
    assert_eq!(error.reason_name(), "UNAVAILABLE");
    server.answers(StatusCode::OK, all_keys());
    assert!(refusal(&verifier, &unheard).await.contains("does not publish"));
}

/// Each would otherwise wait for its own request after all those before it.
#[tokio::test]
async fn those_who_come_while_an_issuer_hangs_wait_for_one_answer() {
    let server = KeyServer::start(&all_keys()).await;
    server.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    let held = server.held.lock().await;
    let verifier = server.verifier(Timing {
        timeout: Duration::from_secs(600),
        ..EAGER
    });
    let tokens: Vec<_> = (0..20).map(|_| fresh("ed", Algorithm::EdDSA)).collect();
    let calls = futures::future::join_all(tokens.iter().map(|token| verifier.verify_at(token, NOW)));
    // All have come once the request of the first has.
    let release = async {
        while server.asked() == 0 {
            tokio::task::yield_now().await;
        }
        drop(held);
    };
    let (results, ()) = tokio::join!(calls, release);
    for result in results {
        assert_eq!(result.unwrap_err().reason_name(), "UNAVAILABLE");
    }
    assert_eq!(server.asked(), 1);
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
