use datacovey_auth::{InternalSigner, SigningKey};
use datacovey_proto::internal::rows::v1::SelectRequest;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::query::v1::ListReleasesRequest;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_types::{Principal, Role, Scopes};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::fixture::{Running, TENANT, USER, call, reason, start, with_token};

async fn list(running: &Running, token: &str) -> Result<String, Status> {
    let mut client = AuditServiceClient::new(running.channel());
    client
        .list_releases(call("", token))
        .await
        .map(|it| it.into_inner().next_page_token)
}

async fn refusal(running: &Running, token: &str) -> (Code, String, String) {
    let status = list(running, token).await.unwrap_err();
    (status.code(), reason(&status), status.message().to_owned())
}

fn principal() -> Principal {
    Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::OrgAdmin,
        scopes: Scopes::NONE,
    }
}

#[tokio::test]
async fn a_user_comes_with_the_role_it_has_and_the_scopes_of_its_token() {
    let running = start().await;
    let seen = list(&running, &running.token("somebody")).await.unwrap();
    assert!(
        seen.starts_with(&format!("{USER} Dataset editor backfill ")),
        "{seen}"
    );
}

#[tokio::test]
async fn a_service_calls_on_behalf_of_a_user() {
    let running = start().await;
    let token = running.gateway.token("query", Some(&principal()), None);
    let seen = list(&running, &token).await.unwrap();
    assert!(seen.starts_with(&format!("{USER} Org admin  ")), "{seen}");
}

#[tokio::test]
async fn without_good_credentials_nobody_is_let_in() {
    let running = start().await;
    let mut client = AuditServiceClient::new(running.channel());
    let status = client
        .list_releases(ListReleasesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unauthenticated, "CREDENTIALS_MISSING")
    );

    let stranger = InternalSigner::new("gateway", SigningKey::generate().unwrap());
    let cases = [
        ("rubbish", "the token is not a well-formed JSON Web Token"),
        (&running.token("unknown"), "nobody is known by that name"),
        (
            &running.gateway.token("query", None, None),
            "the internal token names no user, and this call needs one",
        ),
        (
            &running.gateway.token("catalog", Some(&principal()), None),
            "the internal token is for another service",
        ),
        (
            &stranger.token("query", Some(&principal()), None),
            "the internal token is not signed by a service that is trusted here",
        ),
    ];
    for (token, expected) in cases {
        let (code, reason, message) = refusal(&running, token).await;
        assert_eq!(
            (code, reason.as_str()),
            (Code::Unauthenticated, "CREDENTIALS_INVALID")
        );
        assert_eq!(message, expected);
    }
    for header in ["Basic YTpi", "Bearer", "Bearer ", ""] {
        let mut request = Request::new(ListReleasesRequest::default());
        request
            .metadata_mut()
            .insert("authorization", header.parse().unwrap());
        let status = client.list_releases(request).await.unwrap_err();
        assert_eq!(
            status.message(),
            "the authorization header is not \"Bearer <token>\"",
            "{header}"
        );
    }
    let mut twice = call("", &running.token("a"));
    twice
        .metadata_mut()
        .append("authorization", "Bearer other".parse().unwrap());
    let status = client.list_releases(twice).await.unwrap_err();
    assert_eq!(
        status.message(),
        "the call carries more than one authorization header"
    );
}

#[tokio::test]
async fn internal_methods_are_for_services_that_may_call_them() {
    let running = start().await;
    let mut client = RowServiceClient::new(running.channel());
    let status = client
        .select(with_token(SelectRequest::default(), &running.token("a")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), "only services of the suite may call this");
    let token = running.gateway.token("query", None, None);
    assert!(
        client
            .select(with_token(SelectRequest::default(), &token))
            .await
            .is_ok()
    );
    let status = client
        .insert(with_token(Default::default(), &token))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unimplemented, "NOT_IMPLEMENTED")
    );
}

#[tokio::test]
async fn health_and_reflection_answer_everybody() {
    let running = start().await;
    let mut health = HealthClient::new(running.channel());
    for service in ["", "datacovey.query.v1.AuditService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        assert!(health.check(request).await.is_ok(), "{service}");
    }
    let unknown = health
        .check(HealthCheckRequest {
            service: "nobody".to_owned(),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (unknown.code(), reason(&unknown).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut reflection = ServerReflectionClient::new(running.channel());
    let mut replies = reflection
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let reply = replies
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(services) = reply else {
        panic!("{reply:?}")
    };
    let mut names: Vec<_> = services.service.into_iter().map(|it| it.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "datacovey.internal.rows.v1.RowService",
            "datacovey.query.v1.AuditService",
            "grpc.health.v1.Health",
        ]
    );
}
