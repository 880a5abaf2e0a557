//! An issuer of bearer tokens that is away while the service starts, and again later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use datacovey_auth::{DevelopmentIssuer, KeySource, SigningKey};
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_types::{Principal, Role, Scopes};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{Running, TENANT, USER, call, get, reason, soon, start_behind};

/// Where the issuer's keys are, if it is there.
struct KeyServer {
    is_there: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<()>,
}

/// A service whose issuer publishes its keys at a URL, and is away.
async fn start() -> (Running, KeyServer) {
    let issuer = DevelopmentIssuer::with_key(SigningKey::generate().unwrap());
    let mut known = issuer.issuer();
    let KeySource::Inline(keys) = known.keys else {
        panic!("keys elsewhere than in memory")
    };
    let is_there = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_there);
    let answer = move || {
        let answer = match asked.load(Ordering::SeqCst) {
            true => keys.to_string().into_response(),
            false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    known.keys = KeySource::Url(url.parse().unwrap());
    let routes = axum::Router::new().route("/keys", axum::routing::get(answer));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let running = start_behind(issuer, vec![known]).await;
    (running, KeyServer { is_there, server })
}

async fn list(running: &Running, token: &str) -> Result<(), Status> {
    let mut client = AuditServiceClient::new(running.channel());
    client.list_releases(call("", token)).await.map(drop)
}

#[tokio::test]
async fn tokens_of_an_issuer_that_is_away_may_be_good_and_are_once_it_comes() {
    let (running, keys) = start().await;
    let token = running.token("somebody");
    let status = list(&running, &token).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "UNAVAILABLE")
    );
    let retry = status.get_details_retry_info().unwrap();
    assert!(retry.retry_delay.is_some(), "a client is told when to come back");

    // The service is there for whoever does not need the issuer.
    assert!(get(running.admin, "/readyz").await.starts_with("HTTP/1.1 200"));
    let principal = Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::OrgAdmin,
        scopes: Scopes::NONE,
    };
    let internal = running.gateway.token("query", Some(&principal), None);
    list(&running, &internal).await.unwrap();

    keys.is_there.store(true, Ordering::SeqCst);
    soon(async {
        while let Err(status) = list(&running, &token).await {
            assert_eq!(status.code(), Code::Unavailable);
            tokio::task::yield_now().await;
        }
    })
    .await;

    // Away again, and nobody can connect: keys that are known go on verifying.
    keys.server.abort();
    assert!(keys.server.await.unwrap_err().is_cancelled());
    for somebody in ["a", "b", "c"] {
        list(&running, &running.token(somebody)).await.unwrap();
    }
}
