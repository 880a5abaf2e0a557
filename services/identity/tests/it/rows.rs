//! Rows of tenants and users, as the gateway asks for them on behalf of a user.

use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::internal::rows::v1::select_response::Part;
use datacovey_proto::internal::rows::v1::selection::Item;
use datacovey_proto::internal::rows::v1::{
    ColumnPath, CountMode, SelectRequest, SelectedColumn, Selection, UpdateRequest,
};
use datacovey_testing::caller::CallerChannel;
use datacovey_types::{Principal, Role, Scopes};
use tonic::Code;

use crate::suite::{Suite, denied, not_found, why};

fn gateway(suite: &Suite, role: Role) -> RowServiceClient<CallerChannel> {
    let principal = Principal {
        tenant_id: suite.ours.id,
        user_id: suite.ours.admin,
        role,
        scopes: Scopes::NONE,
    };
    let token = suite.callers.internal_token("identity", Some(&principal));
    RowServiceClient::new(suite.served.channel(Some(&token)))
}

fn names_of(relation: &str) -> SelectRequest {
    SelectRequest {
        relation: relation.to_owned(),
        selections: vec![name()],
        count: CountMode::Exact.into(),
        ..SelectRequest::default()
    }
}

fn name() -> Selection {
    let path = ColumnPath {
        column: "name".to_owned(),
        ..ColumnPath::default()
    };
    let column = SelectedColumn {
        path: Some(path),
        alias: "name".to_owned(),
        cast: String::new(),
    };
    Selection {
        item: Some(Item::Column(column)),
    }
}

fn rename(relation: &str, name: &str) -> UpdateRequest {
    UpdateRequest {
        relation: relation.to_owned(),
        values: format!("{{\"name\": {name:?}}}").into_bytes().into(),
        columns: vec!["name".to_owned()],
        ..UpdateRequest::default()
    }
}

#[tokio::test]
async fn the_gateway_reads_and_writes_what_the_user_may() {
    let suite = Suite::start().await;
    let mut rows = gateway(&suite, Role::OrgAdmin);
    let changed = rows.update(rename("tenant", "Renamed")).await.unwrap();
    assert_eq!(changed.into_inner().affected, 1);

    let mut parts = rows.select(names_of("tenant")).await.unwrap().into_inner();
    let Some(Part::Header(header)) = parts.message().await.unwrap().unwrap().part else {
        panic!("a header comes first");
    };
    assert_eq!((header.total_rows, header.rows), (Some(1), Some(1)));
    let Some(Part::Batch(batch)) = parts.message().await.unwrap().unwrap().part else {
        panic!("rows come next");
    };
    assert_eq!(batch.rows, [&b"{\"name\":\"Renamed\"}"[..]]);
    assert!(parts.message().await.unwrap().is_none());

    // By the rules of the calls of gRPC.
    let refused = rows.update(rename("tenant", " blanks ")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let mut rows = gateway(&suite, Role::DatasetEditor);
    assert_eq!(why(rows.update(rename("user", "x")).await), denied());
}

#[tokio::test]
async fn a_service_has_no_rows_but_its_own_and_users_ask_the_gateway() {
    let suite = Suite::start().await;
    let mut rows = gateway(&suite, Role::OrgAdmin);
    for relation in ["project", "query", "nope", ""] {
        assert_eq!(
            rows.select(names_of(relation))
                .await
                .map(drop)
                .unwrap_err()
                .code(),
            Code::NotFound
        );
        assert_eq!(why(rows.update(rename(relation, "x")).await), not_found());
    }
    let token = suite
        .callers
        .token(&suite.ours.org(), &suite.ours.admin_sub(), "platform backfill");
    let mut user = RowServiceClient::new(suite.served.channel(Some(&token)));
    assert_eq!(why(user.update(rename("tenant", "x")).await), denied());
    // A service for nobody has no rows.
    let token = suite.callers.internal_token("identity", None);
    let mut nobody = RowServiceClient::new(suite.served.channel(Some(&token)));
    assert_eq!(
        nobody.update(rename("tenant", "x")).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}
