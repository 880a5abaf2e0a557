use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datacovey_auth::{DevelopmentClaims, DevelopmentIssuer, InternalSigner, SigningKey};
use datacovey_types::{Principal, Role, Scopes};
use futures::future::join_all;
use http::HeaderMap;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::fake::{self, Fake};
use crate::suite::{ANSWERS, Suite, UNARY, one_message, soon};

/// Answers [`UNARY`] and keeps the headers it came with.
pub(crate) fn keep_headers(fake: &Fake) -> Arc<Mutex<Vec<HeaderMap>>> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    fake.answer(UNARY, move |request| {
        keep.lock().unwrap().push(request.headers().clone());
        Box::pin(async { fake::unary(&()) })
    });
    kept
}

#[tokio::test]
async fn the_upstream_learns_who_calls_by_an_internal_token_only() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let token = suite.token("known user", "platform");
    let request = suite
        .anonymous(UNARY)
        .header("authorization", format!("bearer {token}"));
    assert_eq!(suite.call(request).await.status.code(), Code::Ok);

    let headers = headers.lock().unwrap().pop().unwrap();
    let caller = suite.verify("query", &headers);
    assert_eq!(caller.service, "gateway");
    let principal = Principal {
        tenant_id: suite.tenant_id,
        user_id: suite.user_id,
        role: Role::DatasetEditor,
        scopes: Scopes::from("platform"),
    };
    assert_eq!(caller.principal, Some(principal));
    assert!(
        !format!("{headers:?}").contains(&token),
        "the caller's token went on"
    );
}

#[tokio::test]
async fn who_is_nobody_is_told_so_and_no_more() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    suite
        .call(suite.anonymous(UNARY))
        .await
        .expect(Code::Unauthenticated, "CREDENTIALS_MISSING");

    let stranger = DevelopmentIssuer::with_key(SigningKey::generate().unwrap()).mint(DevelopmentClaims {
        organization: "org",
        subject: "known user",
        scopes: Scopes::NONE,
        lifetime: Duration::from_secs(60),
    });
    let internal = {
        let principal = Principal {
            tenant_id: suite.tenant_id,
            user_id: suite.user_id,
            role: Role::OrgAdmin,
            scopes: Scopes::NONE,
        };
        InternalSigner::new("gateway", suite.key.clone())
            .token("query", Some(&principal), None)
            .to_string()
    };
    let altered = format!("{}A", suite.token("known user", ""));
    for credentials in [
        "Basic dXNlcjpwYXNz".to_owned(),
        "Bearer".to_owned(),
        "Bearer of bad news".to_owned(),
        format!("Bearer {stranger}"),
        format!("Bearer {internal}"),
        format!("Bearer {altered}"),
        format!("Bearer {}", "x".repeat(20_000)),
    ] {
        let reply = suite
            .call(suite.anonymous(UNARY).header("authorization", &credentials))
            .await;
        reply.expect(Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
    assert_eq!(
        suite.asked.load(Ordering::SeqCst),
        0,
        "identity is asked for nobody"
    );
    assert_eq!(headers.lock().unwrap().len(), 0, "no call of nobody goes on");
}

#[tokio::test]
async fn who_is_unknown_to_identity_is_nobody() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let token = suite.token("stranger", "platform");
    let request = suite
        .anonymous(UNARY)
        .header("authorization", format!("Bearer {token}"));
    suite
        .call(request)
        .await
        .expect(Code::Unauthenticated, "CREDENTIALS_INVALID");
    assert_eq!(headers.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn identity_is_asked_once_for_many_calls_at_once() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let authorization = format!("Bearer {}", suite.token("known user", ""));
    let request = || suite.anonymous(UNARY).header("authorization", &authorization);
    let calls = (0..50).map(|_| suite.call(request()));
    for reply in join_all(calls).await {
        assert_eq!(reply.status.code(), Code::Ok);
    }
    assert_eq!(suite.asked.load(Ordering::SeqCst), 1);
    assert_eq!(headers.lock().unwrap().len(), 50);

    // Scopes are the token's and not the user's: they are never remembered for another token.
    let token = suite.token("known user", "backfill");
    let request = suite
        .anonymous(UNARY)
        .header("authorization", format!("Bearer {token}"));
    assert_eq!(suite.call(request).await.status.code(), Code::Ok);
    let headers = headers.lock().unwrap();
    let scopes = |headers| suite.verify("query", headers).principal.unwrap().scopes;
    assert_eq!(scopes(&headers[49]), Scopes::NONE);
    assert_eq!(scopes(&headers[50]), Scopes::from("backfill"));
}

#[tokio::test]
async fn while_identity_is_away_nobody_can_be_told_from_somebody() {
    let suite = Suite::start().await;
    suite.identity.stop().await;
    let reply = suite.call(suite.request(UNARY)).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert!(reply.status.get_error_details().retry_info().is_some());
}

/// A tenant has one stream, and no other of its calls goes on until it has ended.
#[tokio::test]
async fn a_tenant_that_takes_more_than_it_may_is_told_when_to_come_back() {
    let suite = Suite::configured(&[], |it| it.server.limits.tenant.concurrent_calls = 1).await;
    let (streams, mut opened) = tokio::sync::mpsc::unbounded_channel();
    suite.query.answer(ANSWERS, move |_| {
        let (frames, answer) = fake::streamed();
        streams.send(frames).unwrap();
        Box::pin(async { answer })
    });
    let request = suite.request(ANSWERS).body(one_message()).unwrap();
    let stream = suite.send(request).await;
    let _frames = soon(opened.recv()).await.unwrap();

    let refused = suite.call(suite.request(ANSWERS)).await;
    refused.expect(Code::ResourceExhausted, "RATE_LIMITED");
    let details = refused.status.get_error_details();
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "tenant");
    assert!(details.retry_info().unwrap().retry_delay.unwrap() > Duration::ZERO);
    assert!(opened.try_recv().is_err(), "it went on to the service");

    drop(stream);
    let again = async {
        loop {
            let request = suite.request(ANSWERS).body(one_message()).unwrap();
            let answer = suite.send(request).await;
            // A refusal has its status in the head.
            if !answer.headers().contains_key("grpc-status") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}
