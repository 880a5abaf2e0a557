use datacovey_proto::identity::v1::UserRole;
use datacovey_proto::internal::identity::v1::principal_service_client::PrincipalServiceClient;
use datacovey_proto::internal::identity::v1::resolve_principal_request::Subject;
use datacovey_proto::internal::identity::v1::{
    ResolvePrincipalRequest, ResolvePrincipalResponse, TokenSubject,
};
use datacovey_testing::caller::CallerChannel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::suite::{Suite, denied, why, wrong_fields};

fn gateway(suite: &Suite) -> PrincipalServiceClient<CallerChannel> {
    let token = suite.callers.internal_token("identity", None);
    PrincipalServiceClient::new(suite.served.channel(Some(&token)))
}

fn by_token(issuer: &str, org_id: &str, sub: &str) -> ResolvePrincipalRequest {
    let token = TokenSubject {
        issuer: issuer.to_owned(),
        org_id: org_id.to_owned(),
        sub: sub.to_owned(),
    };
    ResolvePrincipalRequest {
        subject: Some(Subject::Token(token)),
    }
}

fn by_id(id: impl ToString) -> ResolvePrincipalRequest {
    ResolvePrincipalRequest {
        subject: Some(Subject::UserId(id.to_string())),
    }
}

fn assert_unknown(status: &Status) {
    assert_eq!(status.code(), Code::Unauthenticated);
    // By this the one who asks knows that it is not itself which is unknown.
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["subject"],
        "unknown"
    );
}

#[tokio::test]
async fn a_principal_is_found_by_its_token_and_by_its_id() {
    let suite = Suite::start().await;
    let issuer = suite.callers.issuer().issuer;
    let known = ResolvePrincipalResponse {
        tenant_id: suite.ours.id.to_string(),
        user_id: suite.ours.admin.to_string(),
        role: UserRole::OrgAdmin.into(),
    };
    let mut gateway = gateway(&suite);
    let by_token = by_token(&issuer, &suite.ours.org(), &suite.ours.admin_sub());
    assert_eq!(
        gateway.resolve_principal(by_token).await.unwrap().into_inner(),
        known
    );
    let by_id = by_id(suite.ours.admin);
    assert_eq!(
        gateway.resolve_principal(by_id).await.unwrap().into_inner(),
        known
    );
}

#[tokio::test]
async fn who_is_archived_or_unknown_is_nobody() {
    let suite = Suite::start().await;
    let issuer = suite.callers.issuer().issuer;
    let archived = suite.sql.tenant("Archived").await;
    suite.archive("tenant", archived.id).await;
    suite.archive("user", suite.user).await;
    let (org, sub) = (suite.ours.org(), suite.ours.admin_sub());
    let nobodies = [
        by_id(suite.user),
        by_id(archived.admin),
        by_id(Uuid::from_u128(7)),
        by_token(&issuer, &archived.org(), &archived.admin_sub()),
        by_token(&issuer, &org, "nobody"),
        by_token(&issuer, "nobody", &sub),
        // An issuer that this service does not know, whoever has verified its token.
        by_token("https://other.example/", &org, &sub),
    ];
    let mut gateway = gateway(&suite);
    for nobody in nobodies {
        assert_unknown(&gateway.resolve_principal(nobody).await.unwrap_err());
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_question_is_said_at_once() {
    let suite = Suite::start().await;
    let mut gateway = gateway(&suite);
    let nothing = ResolvePrincipalRequest::default();
    assert_eq!(
        wrong_fields(gateway.resolve_principal(nothing).await),
        ["subject"]
    );
    assert_eq!(
        wrong_fields(gateway.resolve_principal(by_id("7")).await),
        ["user_id"]
    );
    let empty = by_token("", "", "");
    let fields = ["token.issuer", "token.org_id", "token.sub"];
    assert_eq!(wrong_fields(gateway.resolve_principal(empty).await), fields);
}

#[tokio::test]
async fn only_services_ask() {
    let suite = Suite::start().await;
    let token = suite
        .callers
        .token(&suite.ours.org(), &suite.ours.admin_sub(), "platform");
    let mut user = PrincipalServiceClient::new(suite.served.channel(Some(&token)));
    assert_eq!(why(user.resolve_principal(by_id(suite.user)).await), denied());
}
