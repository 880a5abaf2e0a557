use datacovey_proto::identity::v1::{
    CreateUserRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest, User, UserRole, WhoAmIRequest,
};
use datacovey_types::Role;
use tonic::Code;
use uuid::Uuid;

use crate::suite::{Caller, Suite, denied, mask, new_user, not_found, refused, subject, why, wrong_fields};

fn create(user: User) -> CreateUserRequest {
    CreateUserRequest {
        user: Some(user),
        ..Default::default()
    }
}

fn get(id: impl ToString) -> GetUserRequest {
    GetUserRequest { id: id.to_string() }
}

fn update(user: User, paths: &[&str]) -> UpdateUserRequest {
    UpdateUserRequest {
        user: Some(user),
        update_mask: mask(paths),
        ..Default::default()
    }
}

fn with_role(id: Uuid, role: UserRole) -> UpdateUserRequest {
    update(
        User {
            id: id.to_string(),
            role: role.into(),
            ..User::default()
        },
        &["role"],
    )
}

#[tokio::test]
async fn a_user_lives() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let made = admin.user("ada", UserRole::DatasetEditor).await;
    assert_eq!(made.tenant_id, suite.ours.id.to_string());
    assert_eq!(
        (made.role(), made.email.as_str()),
        (UserRole::DatasetEditor, "ada@example.com")
    );
    assert_eq!(
        suite
            .as_user()
            .users
            .get_user(get(&made.id))
            .await
            .unwrap()
            .into_inner(),
        made
    );

    let mut ada = suite.signed_in(&suite.ours.org(), "auth0|ada", "");
    let me = ada.users.who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(me.user, Some(made.clone()));

    let change = User {
        name: " Ada L. ".to_owned(),
        email: "ada@l.example".to_owned(),
        ..made.clone()
    };
    let changed = admin
        .users
        .update_user(update(change, &["name", "email"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (changed.name.as_str(), changed.email.as_str()),
        ("Ada L.", "ada@l.example")
    );
    let late = update(
        User {
            name: "Late".to_owned(),
            ..made
        },
        &["name"],
    );
    assert_eq!(
        why(admin.users.update_user(late).await),
        refused(Code::Aborted, "ETAG_MISMATCH")
    );
}

#[tokio::test]
async fn all_that_is_wrong_with_a_user_is_said_at_once() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let wrong = User {
        tenant_id: "7".to_owned(),
        auth0_id: "a b".to_owned(),
        email: "ada".to_owned(),
        name: " ".to_owned(),
        role: 99,
        ..User::default()
    };
    let fields = [
        "user.tenant_id",
        "user.auth0_id",
        "user.email",
        "user.name",
        "user.role",
    ];
    assert_eq!(
        wrong_fields(admin.users.create_user(create(wrong.clone())).await),
        fields
    );
    let nothing = CreateUserRequest::default();
    let fields = ["user", "user.auth0_id", "user.email", "user.name", "user.role"];
    assert_eq!(wrong_fields(admin.users.create_user(nothing).await), fields);

    let wrong = UpdateUserRequest {
        user: Some(User {
            id: suite.user.to_string(),
            ..wrong
        }),
        update_mask: mask(&["*"]),
        request_id: "x".repeat(65),
    };
    let fields = [
        "request_id",
        "user.auth0_id",
        "user.email",
        "user.name",
        "user.role",
    ];
    assert_eq!(wrong_fields(admin.users.update_user(wrong).await), fields);
    let immutable = update(
        User {
            id: suite.user.to_string(),
            ..User::default()
        },
        &["tenant_id", "name"],
    );
    assert_eq!(
        wrong_fields(admin.users.update_user(immutable).await),
        ["update_mask.paths[0]"]
    );
}

#[tokio::test]
async fn a_name_and_an_address_are_one_users() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let ada = admin.user("ada", UserRole::DatasetUser).await;
    let taken = refused(Code::AlreadyExists, "ALREADY_EXISTS");
    let same_id = User {
        email: "other@example.com".to_owned(),
        ..new_user("ada", UserRole::DatasetUser)
    };
    assert_eq!(why(admin.users.create_user(create(same_id)).await), taken);
    let same_email = User {
        email: "ADA@Example.com".to_owned(),
        ..new_user("bob", UserRole::DatasetUser)
    };
    assert_eq!(why(admin.users.create_user(create(same_email)).await), taken);
    let bob = admin.user("bob", UserRole::DatasetUser).await;
    let change = update(
        User {
            id: bob.id,
            email: ada.email,
            ..User::default()
        },
        &["email"],
    );
    assert_eq!(why(admin.users.update_user(change).await), taken);
    // Within the tenant: another one may have a user of that name.
    let mut other = suite.as_other_tenant();
    assert_eq!(
        other.user("ada", UserRole::DatasetUser).await.tenant_id,
        suite.theirs.id.to_string()
    );
}

#[tokio::test]
async fn a_repeat_answers_with_the_same_user() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let request = CreateUserRequest {
        request_id: "once".to_owned(),
        ..create(new_user("ada", UserRole::DatasetUser))
    };
    let first = admin
        .users
        .create_user(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        admin.users.create_user(request).await.unwrap().into_inner(),
        first
    );
    let change = |name: &str| UpdateUserRequest {
        request_id: "twice".to_owned(),
        ..update(
            User {
                id: first.id.clone(),
                name: name.to_owned(),
                ..User::default()
            },
            &["name"],
        )
    };
    let renamed = admin.users.update_user(change("Ada")).await.unwrap().into_inner();
    assert_eq!(
        admin.users.update_user(change("Ada")).await.unwrap().into_inner(),
        renamed
    );
    let other = admin.users.update_user(change("Eve")).await;
    assert_eq!(why(other), refused(Code::FailedPrecondition, "WRONG_STATE"));
}

#[tokio::test]
async fn users_of_another_tenant_do_not_exist() {
    let suite = Suite::start().await;
    let mut other = suite.as_other_tenant();
    assert_eq!(why(other.users.get_user(get(suite.user)).await), not_found());
    assert_eq!(
        why(other
            .users
            .update_user(with_role(suite.user, UserRole::OrgAdmin))
            .await),
        not_found()
    );
    let of_ours = || suite.ours.id.to_string();
    let listed = ListUsersRequest {
        tenant_id: Some(of_ours()),
        ..Default::default()
    };
    assert_eq!(why(other.users.list_users(listed.clone()).await), not_found());
    let intruder = User {
        tenant_id: of_ours(),
        ..new_user("eve", UserRole::OrgAdmin)
    };
    assert_eq!(
        why(other.users.create_user(create(intruder.clone())).await),
        not_found()
    );

    let mut platform = suite.signed_in(&suite.theirs.org(), &suite.theirs.admin_sub(), "platform");
    assert_eq!(
        platform
            .users
            .list_users(listed)
            .await
            .unwrap()
            .into_inner()
            .users
            .len(),
        3
    );
    let made = platform
        .users
        .create_user(create(intruder))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.tenant_id, of_ours());
    let nowhere = User {
        tenant_id: Uuid::from_u128(7).to_string(),
        ..new_user("x", UserRole::OrgAdmin)
    };
    assert_eq!(
        why(platform.users.create_user(create(nowhere)).await),
        not_found()
    );
}

#[tokio::test]
async fn managing_users_takes_an_admin() {
    let suite = Suite::start().await;
    for mut caller in [suite.as_user(), suite.as_editor()] {
        let request = create(new_user("ada", UserRole::OrgAdmin));
        assert_eq!(why(caller.users.create_user(request).await), denied());
        assert_eq!(
            why(caller
                .users
                .update_user(with_role(suite.user, UserRole::OrgAdmin))
                .await),
            denied()
        );
    }
}

#[tokio::test]
async fn a_tenant_keeps_an_admin() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let step_down = || with_role(suite.ours.admin, UserRole::DatasetUser);
    let status = admin.users.update_user(step_down()).await;
    assert_eq!(why(status), refused(Code::FailedPrecondition, "WRONG_STATE"));
    admin
        .users
        .update_user(with_role(suite.editor, UserRole::OrgAdmin))
        .await
        .unwrap();
    let former = admin.users.update_user(step_down()).await.unwrap().into_inner();
    assert_eq!(former.role(), UserRole::DatasetUser);
}

#[tokio::test]
async fn two_admins_who_step_down_at_once_leave_one() {
    let suite = Suite::start().await;
    let second = suite.sql.user(suite.ours.id, Role::OrgAdmin).await;
    let (mut one, mut other) = (
        suite.as_admin(),
        suite.signed_in(&suite.ours.org(), &subject(second), ""),
    );
    let (one, other) = tokio::join!(
        one.users
            .update_user(with_role(suite.ours.admin, UserRole::DatasetUser)),
        other.users.update_user(with_role(second, UserRole::DatasetUser)),
    );
    assert_eq!(
        [one.is_ok(), other.is_ok()].iter().filter(|it| **it).count(),
        1,
        "{one:?} {other:?}"
    );
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    for number in 0..4 {
        admin.user(&format!("user{number}"), UserRole::DatasetUser).await;
    }
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListUsersRequest {
            page_size: 3,
            page_token,
            ..Default::default()
        };
        let page = admin.users.list_users(request).await.unwrap().into_inner();
        ids.extend(page.users.into_iter().map(|it| it.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 7);
    assert!(ids.is_sorted(), "in the order of creation");

    suite.archive("user", suite.user).await;
    let count = async |admin: &mut Caller, show_archived| {
        let request = ListUsersRequest {
            show_archived,
            ..Default::default()
        };
        admin
            .users
            .list_users(request)
            .await
            .unwrap()
            .into_inner()
            .users
            .len()
    };
    assert_eq!(count(&mut admin, false).await, 6);
    assert_eq!(count(&mut admin, true).await, 7);

    let wrong = ListUsersRequest {
        tenant_id: Some("7".to_owned()),
        page_size: -1,
        page_token: "x".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        wrong_fields(admin.users.list_users(wrong).await),
        ["tenant_id", "page_size", "page_token"]
    );
}

#[tokio::test]
async fn everybody_learns_who_it_is() {
    let suite = Suite::start().await;
    let who = async |mut caller: Caller| {
        caller
            .users
            .who_am_i(WhoAmIRequest {})
            .await
            .unwrap()
            .into_inner()
    };
    let user = who(suite.as_user()).await;
    assert_eq!(
        (user.role(), user.permissions),
        (UserRole::DatasetUser, vec!["query".to_owned(), "read".to_owned()])
    );
    assert!(user.scopes.is_empty());
    assert_eq!(user.tenant.unwrap().name, "Alliance");

    let admin = who(suite.as_admin()).await;
    assert_eq!(
        admin.permissions,
        [
            "edit_datasets",
            "export",
            "manage_projects",
            "manage_users",
            "query",
            "read"
        ]
    );
    let scoped = who(suite.signed_in(
        &suite.ours.org(),
        &subject(suite.user),
        "platform backfill openid",
    ))
    .await;
    assert_eq!(
        scoped.permissions,
        ["backfill", "manage_tenants", "manage_users", "query", "read"]
    );
    assert_eq!(scoped.scopes, ["backfill", "platform"]);
}

#[tokio::test]
async fn nobody_becomes_known_by_signing_in() {
    let suite = Suite::start().await;
    suite.archive("user", suite.user).await;
    let archived = suite.sql.tenant("Archived").await;
    suite.archive("tenant", archived.id).await;
    let strangers = [
        suite.as_user(),
        suite.signed_in(&archived.org(), &archived.admin_sub(), "platform"),
        suite.signed_in(&suite.ours.org(), "auth0|nobody", "platform"),
        suite.signed_in("org_nobody", &suite.ours.admin_sub(), ""),
        // A user of one tenant in another.
        suite.signed_in(&suite.theirs.org(), &suite.ours.admin_sub(), ""),
    ];
    for mut stranger in strangers {
        let status = stranger.users.who_am_i(WhoAmIRequest {}).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (
                Code::Unauthenticated,
                "nobody is known by these credentials, or the user or its organization is archived"
            )
        );
    }
}
