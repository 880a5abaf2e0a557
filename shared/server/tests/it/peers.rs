use std::time::{Duration, Instant};

use datacovey_error::{Error, ErrorReason, Violation};
use datacovey_proto::query::v1::ListReleasesRequest;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::{Peer, error_of_peer, set_parent_from_traceparent};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use opentelemetry::trace::TracerProvider as _;
use tonic::Code;
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::fixture::{Running, TENANT, USER, reason, start, subscribe};

fn peer(running: &Running) -> Peer {
    let address = format!("http://{}", running.address).parse().unwrap();
    Peer::new("query", address, running.gateway.clone())
}

fn ctx(deadline: Option<Instant>) -> Ctx {
    let principal = Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::DatasetUser,
        scopes: Scopes::from("platform"),
    };
    Ctx::from_request(principal, "request-3", deadline)
}

#[tokio::test]
async fn a_call_goes_on_with_its_caller_its_name_and_its_deadline() {
    let running = start().await;
    let deadline = Instant::now() + Duration::from_secs(100);
    let mut client = AuditServiceClient::new(peer(&running).on_behalf_of(&ctx(Some(deadline))));
    let seen = client
        .list_releases(ListReleasesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let (before, left) = seen.trim_end().rsplit_once(' ').unwrap();
    assert_eq!(before, format!("{USER} Dataset user platform request-3"));
    let left: u64 = left.trim_end_matches('s').parse().unwrap();
    assert!((1..100).contains(&left), "{left}");
}

#[tokio::test]
async fn a_call_without_time_left_is_not_made() {
    let running = start().await;
    let mut client = AuditServiceClient::new(peer(&running).on_behalf_of(&ctx(Some(Instant::now()))));
    let status = client
        .list_releases(ListReleasesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
}

#[tokio::test]
async fn a_peer_that_is_away_is_unavailable() {
    let running = start().await;
    let peer = peer(&running);
    running.shutdown.cancel();
    running.served.await.unwrap().unwrap();
    let mut client = AuditServiceClient::new(peer.on_behalf_of(&ctx(None)));
    let status = client
        .list_releases(ListReleasesRequest::default())
        .await
        .unwrap_err();
    let error = error_of_peer("the query service", status);
    assert_eq!(error.reason(), ErrorReason::Unavailable);
    assert_eq!(error.message(), "the query service is not available now; retry");
}

/// Refused by the calling side, so that no service of the suite has put it into words.
#[tokio::test]
async fn an_answer_that_is_too_large_is_said_so() {
    let running = start().await;
    let mut client =
        AuditServiceClient::new(peer(&running).on_behalf_of(&ctx(None))).max_decoding_message_size(10);
    let status = client
        .list_releases(ListReleasesRequest::default())
        .await
        .unwrap_err();
    let error = error_of_peer("the query service", status);
    assert_eq!(error.reason(), ErrorReason::TooLarge);
    assert_eq!(
        error.message(),
        "what the query service has to answer is too large"
    );
}

#[tokio::test]
async fn a_trace_goes_through_the_call() {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = subscribe(tracing_subscriber::registry().with(layer));

    let running = start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = tracing::info_span!("test");
    set_parent_from_traceparent(&span, parent);
    let call = async {
        let mut client = AuditServiceClient::new(peer(&running).on_behalf_of(&ctx(None)));
        client
            .list_releases(ListReleasesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .next_page_token
    };
    let seen = call.instrument(span).await;
    let traceparent = seen.rsplit(' ').next().unwrap();
    assert!(
        traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{seen}"
    );
    assert!(
        !traceparent.contains("b7ad6b7169203331"),
        "the parent is the calling span, not the caller's parent"
    );
}

#[test]
fn what_a_peer_refuses_is_refused_in_the_same_words() {
    let violations = vec![
        Violation::new("table.name", "is missing"),
        Violation::new("", "and more"),
    ];
    let errors = [
        Error::violated(ErrorReason::InvalidPolicy, "the policy", violations),
        Error::not_found("table", "x"),
        Error::permission_denied("it takes another role"),
        Error::archived("table", "x"),
        Error::etag_mismatch("table", "x"),
        Error::overloaded("later"),
        Error::too_large("too much"),
        Error::deadline_exceeded(),
    ];
    for error in errors {
        let (kind, reason, message) = (error.kind(), error.reason(), error.message().to_owned());
        let violations = error.violations().to_vec();
        let passed_on = error_of_peer("the catalog service", error.into());
        assert_eq!((passed_on.kind(), passed_on.reason()), (kind, reason));
        if violations.is_empty() {
            assert_eq!(passed_on.message(), message);
        }
        assert_eq!(passed_on.violations(), violations);
    }
    for ours in [
        Error::internal("x"),
        Error::credentials_invalid("the internal token has expired"),
    ] {
        let passed_on = error_of_peer("the catalog service", ours.into());
        assert_eq!(
            passed_on.reason(),
            ErrorReason::Internal,
            "what is wrong between us is our fault"
        );
    }
}
