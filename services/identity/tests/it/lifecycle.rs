//! Tenants and users archived, restored and removed; who may, and what nobody may.

use datacovey_proto::identity::v1::{
    ArchiveTenantRequest, ArchiveUserRequest, DeleteTenantRequest, DeleteUserRequest, GetUserRequest,
    ListTenantsRequest, ListUsersRequest, RestoreTenantRequest, RestoreUserRequest, UserRole, WhoAmIRequest,
};
use tonic::Code;
use uuid::Uuid;

use crate::suite::{Suite, denied, not_found, refused, why, wrong_fields};

fn archive(id: impl ToString) -> ArchiveUserRequest {
    ArchiveUserRequest {
        id: id.to_string(),
        ..Default::default()
    }
}

fn restore(id: impl ToString) -> RestoreUserRequest {
    RestoreUserRequest {
        id: id.to_string(),
        ..Default::default()
    }
}

fn delete(id: impl ToString) -> DeleteUserRequest {
    DeleteUserRequest {
        id: id.to_string(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_user_is_archived_restored_and_removed() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let ada = admin.user("ada", UserRole::DatasetEditor).await;
    let archived = admin
        .users
        .archive_user(archive(&ada.id))
        .await
        .unwrap()
        .into_inner();
    assert!(archived.archived_at.is_some());
    // Nobody signs in as an archived user.
    let mut as_ada = suite.signed_in(&suite.ours.org(), "auth0|ada", "");
    let refusal = as_ada.users.who_am_i(WhoAmIRequest {}).await;
    assert_eq!(refusal.unwrap_err().code(), Code::Unauthenticated);

    // What it left free may be taken; then it cannot come back.
    let taker = admin.user("ada", UserRole::DatasetUser).await;
    assert_eq!(
        why(admin.users.restore_user(restore(&ada.id)).await),
        refused(Code::AlreadyExists, "ALREADY_EXISTS")
    );
    let request = DeleteUserRequest {
        request_id: "key".to_owned(),
        ..delete(&taker.id)
    };
    admin.users.delete_user(request.clone()).await.unwrap();
    admin.users.delete_user(request).await.unwrap();
    let get = GetUserRequest { id: taker.id };
    assert_eq!(why(admin.users.get_user(get).await), not_found());
    let restored = RestoreUserRequest {
        etag: archived.etag,
        ..restore(&ada.id)
    };
    assert_eq!(
        admin
            .users
            .restore_user(restored)
            .await
            .unwrap()
            .into_inner()
            .archived_at,
        None
    );
}

#[tokio::test]
async fn a_tenant_keeps_an_admin_and_its_users_to_itself() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let (last, theirs) = (suite.ours.admin, suite.theirs.admin);
    let wrong_state = refused(Code::FailedPrecondition, "WRONG_STATE");
    assert_eq!(why(admin.users.archive_user(archive(last)).await), wrong_state);
    assert_eq!(why(admin.users.delete_user(delete(last)).await), wrong_state);
    for id in [theirs, Uuid::nil()] {
        assert_eq!(why(admin.users.archive_user(archive(id)).await), not_found());
        assert_eq!(why(admin.users.restore_user(restore(id)).await), not_found());
        assert_eq!(why(admin.users.delete_user(delete(id)).await), not_found());
    }
    let mut editor = suite.as_editor();
    assert_eq!(why(editor.users.delete_user(delete(suite.user)).await), denied());
    // The platform manages users of any tenant, though not at the cost of its last admin.
    let mut platform = suite.as_platform();
    assert_eq!(why(platform.users.delete_user(delete(theirs)).await), wrong_state);
    let stale = ArchiveUserRequest {
        etag: "stale".to_owned(),
        ..archive(suite.editor)
    };
    assert_eq!(
        why(platform.users.archive_user(stale).await),
        refused(Code::Aborted, "ETAG_MISMATCH")
    );
    platform.users.archive_user(archive(suite.editor)).await.unwrap();
    platform.users.restore_user(restore(suite.editor)).await.unwrap();
}

#[tokio::test]
async fn a_tenant_is_archived_restored_and_removed_by_the_platform() {
    let suite = Suite::start().await;
    let (mut admin, mut platform) = (suite.as_admin(), suite.as_platform());
    let id = suite.theirs.id.to_string();
    let spare = suite
        .sql
        .user(suite.theirs.id, datacovey_types::Role::DatasetUser)
        .await;
    platform.users.archive_user(archive(spare)).await.unwrap();
    let request = ArchiveTenantRequest {
        id: id.clone(),
        ..Default::default()
    };
    assert_eq!(why(admin.tenants.archive_tenant(request.clone()).await), denied());
    platform.tenants.archive_tenant(request).await.unwrap();
    let refusal = suite.as_other_tenant().users.who_am_i(WhoAmIRequest {}).await;
    assert_eq!(refusal.unwrap_err().code(), Code::Unauthenticated);
    // Nobody of an archived tenant comes back before it does.
    assert_eq!(
        why(platform.users.restore_user(restore(spare)).await),
        refused(Code::FailedPrecondition, "ARCHIVED")
    );
    let request = RestoreTenantRequest {
        id: id.clone(),
        ..Default::default()
    };
    platform.tenants.restore_tenant(request).await.unwrap();
    platform.users.restore_user(restore(spare)).await.unwrap();

    let delete = |force| DeleteTenantRequest {
        id: id.clone(),
        force,
        ..Default::default()
    };
    assert_eq!(
        why(platform.tenants.delete_tenant(delete(false)).await),
        refused(Code::FailedPrecondition, "HAS_CHILDREN")
    );
    platform.tenants.delete_tenant(delete(true)).await.unwrap();
    assert_eq!(
        why(platform.tenants.delete_tenant(delete(true)).await),
        not_found()
    );
}

#[tokio::test]
async fn lists_are_filtered_and_ordered() {
    let suite = Suite::start().await;
    let (mut admin, mut platform) = (suite.as_admin(), suite.as_platform());
    for name in ["bob", "ada"] {
        admin.user(name, UserRole::DatasetEditor).await;
    }
    let list = |filter: &str, order_by: &str| ListUsersRequest {
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let names = async |request| {
        let mut admin = suite.as_admin();
        let page = admin.users.list_users(request).await.unwrap().into_inner();
        page.users.into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    let editors = "role = USER_ROLE_DATASET_EDITOR auth0_id = \"auth0|*\"";
    assert_eq!(names(list(editors, "name")).await, ["ada", "bob"]);
    assert_eq!(names(list(editors, "name desc")).await, ["bob", "ada"]);
    assert_eq!(
        names(list("email = \"ADA@example.com\"", "")).await,
        Vec::<String>::new()
    );
    let wrong = list("tenant_id = x", "auth0_id");
    assert_eq!(
        wrong_fields(admin.users.list_users(wrong).await),
        ["filter", "order_by"]
    );

    let tenants = |filter: &str| ListTenantsRequest {
        filter: filter.to_owned(),
        order_by: "name desc".to_owned(),
        ..Default::default()
    };
    let page = platform
        .tenants
        .list_tenants(tenants(""))
        .await
        .unwrap()
        .into_inner();
    let found: Vec<_> = page.tenants.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(found, ["Registry", "Alliance"]);
    // A filter shows nobody what they may not see.
    let theirs = admin.tenants.list_tenants(tenants("name = Registry")).await;
    assert_eq!(theirs.unwrap().into_inner().tenants, []);
}
